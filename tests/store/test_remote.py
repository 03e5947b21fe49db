"""Artifacts of a toy project through an S3 bucket: shared, damaged, with and without the right credentials, killed."""

import os
import random
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from lemur.pipeline.artifacts.integrity import digest
from tests.processes import Build, until
from tests.store.kills import killed
from tests.store.s3_server import KEY_ID, SECRET, Store
from tests.tools import Project

ARTIFACTS = ("data/first.txt", "data/fork_left", "data/fork_right", "data/last")
FILES, SIZE = 60, 100_000
KILLS = 3
MULTIPART = 110_000_000  # s3fs sends two and more times 50 MiB in parts


def use(project: Project, store: Store, bucket: str, credentials: str = "environment") -> None:
    """Set the remote, with the credentials where a user may have them."""
    if credentials == "environment":
        project.environment = store.variables()
    project.lemur("remote", f"s3://{bucket}/lemur")
    if credentials == "config":
        for key, value in {"endpointurl": store.url, "access_key_id": KEY_ID, "secret_access_key": SECRET}.items():
            project.run("dvc", "remote", "modify", "-q", "--local", "store", key, value)


def hashes(project: Project) -> dict[str, str]:
    return {name: digest(project.root / name) for name in ARTIFACTS}


def key_of(project: Project, artifact: str) -> str:
    """The object with the content of an artifact; for a folder, its listing."""
    name = digest(project.root / artifact)
    return f"lemur/files/md5/{name[:2]}/{name[2:]}"


def files_with(secret: str, folder: Path) -> Iterator[str]:
    """Files below a folder with this text in content or name; Git's objects are compressed, so see `git grep` too."""
    for path in folder.rglob("*"):
        if path.is_file() and (secret in path.name or secret.encode() in path.read_bytes()):
            yield str(path.relative_to(folder))


@pytest.fixture
def pushed(built: Project, store: Store, bucket: str) -> Project:
    """The toy project, built and pushed."""
    use(built, store, bucket)
    built.run("dvc", "push")
    return built


@pytest.mark.parametrize("credentials", ["environment", "config"])
def test_push_and_pull_give_the_same_bytes(
    built: Project, store: Store, bucket: str, tmp_path: Path, credentials: str
) -> None:
    use(built, store, bucket, credentials)
    built.run("dvc", "push")
    assert set(store.keys(bucket)) >= {key_of(built, name) for name in ARTIFACTS}
    clone = built.clone(tmp_path / "clone")
    use(clone, store, bucket, credentials)
    clone.lemur("pull")
    assert hashes(clone) == hashes(built)
    assert clone.planned() == set()
    assert store.refused == []
    # Commit all that Git does not ignore: the credentials are in no commit, and in no other file than the local config.
    for checkout in (built, clone):
        checkout.run("git", "add", "-A")
        checkout.run("git", "commit", "-q", "--allow-empty", "-m", "all")
        for secret in (KEY_ID, SECRET, store.url):
            checkout.run("git", "grep", "-q", secret, "HEAD", ok=False)
            expected = [".dvc/config.local"] if credentials == "config" else []
            assert list(files_with(secret, checkout.root)) == expected
    assert not [key for key in store.keys(bucket) if SECRET.encode() in store.read(bucket, key)]


def test_without_access_nothing_is_pulled_and_the_message_says_so(
    pushed: Project, store: Store, bucket: str, tmp_path: Path
) -> None:
    clone = pushed.clone(tmp_path / "clone")
    use(clone, store, bucket)
    for changes, reason in (
        ({"AWS_ACCESS_KEY_ID": "another"}, "PermissionError"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "NoCredentialsError"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}, "EndpointConnectionError"),
    ):
        clone.environment = {**store.variables(), **changes}
        output = clone.lemur("pull", ok=False)
        assert f"s3://{bucket}/lemur cannot be read ({reason}" in output
        assert "check the connection and your credentials" in output
        assert "Damaged" not in output
        assert not any((clone.root / name).exists() for name in ARTIFACTS)
    assert set(store.refused) == {"another"}


def test_truncated_objects_are_named_and_not_used(pushed: Project, store: Store, bucket: str, tmp_path: Path) -> None:
    file, listing = (key_of(pushed, name) for name in ("data/first.txt", "data/fork_left"))
    intact = store.read(bucket, file)
    for key in (file, listing):
        store.truncate(bucket, key)
    clone = pushed.clone(tmp_path / "clone")
    use(clone, store, bucket)
    output = clone.lemur("pull", ok=False)
    commands = [line.strip() for line in output.splitlines() if line.startswith("  aws s3 rm ")]
    assert sorted(commands) == sorted([
        f"aws s3 rm s3://{bucket}/{file}  # data/first.txt",
        f"aws s3 rm s3://{bucket}/{listing}  # data/fork_left/",
    ])  # fmt: skip
    cached = {f"lemur/{path.relative_to(clone.root / '.dvc/cache')}" for path in (clone.root / ".dvc/cache").rglob("*")}
    assert not {file, listing} & cached
    assert {key_of(pushed, name) for name in ("data/fork_right", "data/last")} <= cached  # the intact ones were fetched
    # Plain `dvc pull` uses neither; it may leave a link to the missing file, and says so only the next time.
    clone.run("sh", "-c", "dvc pull data/first.txt || true")
    assert not (clone.root / "data/first.txt").exists()
    assert "data/first.txt" in clone.run("dvc", "pull", "data/first.txt", ok=False)
    # Follow the advice of `lemur pull`, then push from the intact checkout.
    for command in commands:
        url = shlex.split(command, comments=True)[-1]
        store.client.delete_object(Bucket=bucket, Key=url.removeprefix(f"s3://{bucket}/"))
    pushed.run("dvc", "push")
    assert store.read(bucket, file) == intact
    clone.lemur("pull")
    assert hashes(clone) == hashes(pushed)


def test_killed_transfers_lose_nothing(built: Project, store: Store, bucket: str, tmp_path: Path) -> None:
    big = built.root / "big"
    big.mkdir()
    for number in range(FILES):
        (big / f"{number}").write_bytes(random.Random(number).randbytes(SIZE))
    built.run("dvc", "add", "-q", "big")
    built.run("git", "add", "-A")
    built.run("git", "commit", "-qm", "big")
    use(built, store, bucket)
    store.pause_s = 0.05
    moment = random.Random(7)
    for _ in range(KILLS):
        assert killed(built, store, "dvc", "push", "--jobs", "2", moment=moment, requests=FILES)
        # S3 keeps an object only when all of it has arrived.
        assert all(store.intact(bucket, key) for key in store.keys(bucket))
    assert len(store.keys(bucket)) > 0
    built.run("dvc", "push")
    assert key_of(built, "big") in store.keys(bucket)

    clone = built.clone(tmp_path / "clone")
    use(clone, store, bucket)
    for _ in range(KILLS):
        assert killed(clone, store, "dvc", "pull", "--jobs", "2", moment=moment, requests=FILES)
    clone.lemur("pull")
    assert {name: digest(clone.root / name) for name in (*ARTIFACTS, "big")} == {
        name: digest(built.root / name) for name in (*ARTIFACTS, "big")
    }
    clone.lemur("check", "--cache")


def test_an_upload_in_parts_killed_halfway_leaves_no_object(built: Project, store: Store, bucket: str) -> None:
    with (built.root / "model.bin").open("wb") as file:
        file.write(os.urandom(1 << 20))
        file.truncate(MULTIPART)
    built.run("dvc", "add", "-q", "model.bin")
    use(built, store, bucket)
    push = Build(built, "dvc", "push", "model.bin")
    until(lambda: [request for request in store.requests if "partNumber=1" in request.query])
    push.kill(group=True)
    assert store.keys(bucket) == []
    # Nobody completes these parts any more, and they cost storage (docs/sharing.md).
    assert len(store.client.list_multipart_uploads(Bucket=bucket)["Uploads"]) == 1
    built.run("dvc", "push", "model.bin")
    assert store.intact(bucket, key_of(built, "model.bin"))
