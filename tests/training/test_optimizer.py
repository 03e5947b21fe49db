"""The paper's learning rate schedule, and AdamW compared with its formula."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lemur.training.optimizer import learning_rate, optimizer
from lemur.training.params import OptimizerParams
from tests.training.builders import parameters


def params(**changes):
    return OptimizerParams.model_validate({**parameters("continued_pretraining")["optimizer"], **changes})


def test_the_papers_schedule():
    rate = learning_rate(params(peak_learning_rate=4e-5, warmup_steps=2000, final_ratio=0.1), 22_500)
    assert float(rate(0)) == pytest.approx(4e-5 / 2000, rel=1e-3)
    assert float(rate(999)) == pytest.approx(2e-5)
    assert float(rate(1999)) == pytest.approx(4e-5)
    assert float(rate(12_250)) == pytest.approx(2.2e-5)
    assert float(rate(22_499)) == pytest.approx(4e-6, rel=1e-3)
    values = [float(rate(step)) for step in range(0, 22_500, 500)]
    assert values[4:] == sorted(values[4:], reverse=True)


@pytest.mark.parametrize(("schedule", "last"), [("linear", 0.1), ("cosine", 0.1), ("constant", 1.0)])
def test_the_decay_ends_at_its_share_of_the_peak(schedule, last):
    rate = learning_rate(params(schedule=schedule, warmup_steps=0, peak_learning_rate=1.0, final_ratio=0.1), 1000)
    assert float(rate(0)) == pytest.approx(1.0)
    assert float(rate(999)) == pytest.approx(last, abs=2e-3)


def test_a_warmup_longer_than_the_training_rises_to_the_last_step():
    rate = learning_rate(params(warmup_steps=100, peak_learning_rate=1.0), 5)
    assert [round(float(rate(step)), 3) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert float(learning_rate(params(warmup_steps=100), 0)(0)) > 0


def test_adamw_with_clipping_follows_its_formula():
    settings = params(schedule="constant", warmup_steps=0, peak_learning_rate=0.1, weight_decay=0.5, clip_norm=1.0)
    tx = optimizer(settings, 10)
    weight = jnp.array([2.0, -3.0])
    state, m, v, expected = tx.init(weight), np.zeros(2), np.zeros(2), np.array([2.0, -3.0])
    for step, raw in enumerate(([3.0, 4.0], [0.3, 0.4]), 1):
        gradient = np.array(raw) / max(np.linalg.norm(raw), 1.0)
        m = 0.9 * m + 0.1 * gradient
        v = 0.95 * v + 0.05 * gradient**2
        update = (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.95**step)) + 1e-8) + 0.5 * expected
        expected = expected - 0.1 * update
        updates, state = tx.update(jnp.array(raw), state, weight)
        weight = optax.apply_updates(weight, updates)
    np.testing.assert_allclose(weight, expected, rtol=1e-5)
