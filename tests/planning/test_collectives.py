"""Bytes sent between devices, in hand-written programs and in one that XLA compiled."""

import re

import jax
import jax.numpy as jnp
import pytest

from lemur.planning.collectives import collective_bytes

TPU = """
%cond.1 (p.1: (s32[], bf16[8])) -> pred[] {
  %constant.3 = s32[]{:T(128)} constant(5)
  ROOT %lt = pred[]{:T(512)} compare(%i, %constant.3), direction=LT
}

%all-reduce-scatter.2.clone.1 (p.2: f32[64,8]) -> f32[16,8] {
  %all-reduce.1 = f32[64,8]{1,0:T(8,128)} all-reduce(%p.2), channel_id=1, replica_groups={{0,1,2,3},{4,5,6,7}}
}

%body.1 (p.3: (s32[], bf16[8])) -> (s32[], bf16[8]) {
  %all-gather.1 = bf16[16,8]{1,0:T(8,128)(2,1)} all-gather(%x), replica_groups=[2,4]<=[8], dimensions={0}
  %all-gather.2 = bf16[16,8]{1,0} all-gather(%x), replica_groups=mesh['axis_0'=4,'axis_1'=2] {'axis_1'}, dimensions={0}
  %fusion.1 = f32[16,8]{1,0} fusion(%y), kind=kCustom, calls=%all-reduce-scatter.2.clone.1
}

ENTRY %main.2 (arg.1: bf16[8]) -> bf16[8] {
  %while.1 = (s32[], bf16[8]) while(%tuple), condition=%cond.1, body=%body.1
  %permute = (bf16[10,10]{1,0}, bf16[10,10]{1,0}, u32[]) collective-permute-start(%z), source_target_pairs={{0,1}}
  %all-reduce.9 = (f32[2]{0}, f32[3]{0}) all-reduce(%a, %b), replica_groups={{0,1}}, to_apply=%sum
}
"""


def test_loop_bodies_count_once_per_iteration():
    assert collective_bytes(TPU) == {
        "all-gather": 5 * (16 * 8 * 2 * 3 / 4 + 16 * 8 * 2 * 1 / 2),
        "reduce-scatter": 5 * 64 * 8 * 4 * 3 / 4,
        "collective-permute": 200,
        "all-reduce": 5 * 4 * 2 / 2,
    }


def all_gather(groups):
    return f"ENTRY %main (p: f32[4]) -> f32[16] {{\n  %g = f32[16]{{0}} all-gather(%p), {groups}dimensions={{0}}\n}}\n"


def test_an_empty_group_means_all_chips():
    assert collective_bytes(all_gather("replica_groups={}, "), 4) == {"all-gather": 16 * 4 * 3 / 4}


def test_a_mesh_with_an_order_of_devices_is_read():
    groups = "replica_groups=mesh['a'=2,'b'=4,'c'=2], device_ids=([4,4]T(1,0)) {'b','c'}, "
    assert collective_bytes(all_gather(groups)) == {"all-gather": 16 * 4 * 7 / 8}


@pytest.mark.parametrize(
    ("groups", "chips"),
    [("replica_groups={}, ", 0), ("", 4), ("replica_groups=mesh['a'=4] {'a':(1)2}, ", 4), ("replica_groups=all, ", 4)],
)
def test_errors_show_groups_that_cannot_be_read(groups, chips):
    with pytest.raises(ValueError, match=f"(?s)all-gather.*{re.escape(groups)}dimensions"):
        collective_bytes(all_gather(groups), chips)


def test_a_program_of_one_device_sends_nothing():
    compiled = jax.jit(lambda x: jax.lax.fori_loop(0, 3, lambda _, y: y @ y, x)).lower(jnp.ones((4, 4))).compile()
    assert collective_bytes(compiled.as_text()) == {}


@pytest.mark.parametrize("text", ["", "nonsense"])
def test_text_without_a_program_sends_nothing(text):
    assert collective_bytes(text) == {}
