"""What a sandboxed program may use."""

from dataclasses import dataclass

WALL_PER_CPU = 20


@dataclass(frozen=True)
class Limits:
    """Limits of one run. Time in which it waits for a processor counts for `wall_s` alone, which leaves much room."""

    cpu_s: int = 10
    """Processor seconds of each process, and seconds by the clock in which nothing of the program wants a processor."""
    wall_s: float | None = None
    """Seconds by the clock in all, which end what neither of those does, such as processes that start one another for
    ever; `None` for `WALL_PER_CPU` times `cpu_s`, so that on a busy machine a twentieth of a core is enough."""
    memory_mb: int = 1024
    """MiB of data of each process, and of the run as a whole where a memory cgroup can be made."""
    address_space_mb: int | None = None
    """MiB of address space of each process; `None` for no limit (JVM and node reserve many GiB)."""
    processes: int = 64
    scratch_mb: int = 64
    """MiB of each of /box, /tmp and /dev/shm, which live in memory."""
    file_mb: int = 64
    """MiB of one file."""
    open_files: int = 256
    output_bytes: int = 65536
    """Bytes kept of stdout and of stderr; the rest is read and thrown away."""

    @property
    def longest_s(self) -> float:
        return self.wall_s or float(WALL_PER_CPU * self.cpu_s)

    def rlimits(self) -> dict[str, int]:
        """Values by the names of `setrlimit(2)`, lower case."""
        mib = 1 << 20
        limits = {
            "cpu": self.cpu_s,
            "data": self.memory_mb * mib,
            "nproc": self.processes,
            "fsize": self.file_mb * mib,
            "nofile": self.open_files,
            "core": 0,
        }
        if self.address_space_mb is not None:
            limits["as"] = self.address_space_mb * mib
        return limits
