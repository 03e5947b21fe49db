"""The unbiased estimator of pass@k (Chen et al. 2021, equation 1)."""


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Probability that at least one of k samples, drawn from `samples` of which `correct` pass, passes.

    1 - C(n-c, k) / C(n, k), as a product, which stays exact for large n. Raises `ValueError` if c > n or k > n."""
    if not 0 <= correct <= samples or not 1 <= k <= samples:
        raise ValueError(
            f"pass@{k} of {correct} correct in {samples} samples; 0 <= correct <= samples and 1 <= k <= samples"
        )
    if samples - correct < k:
        return 1.0
    miss = 1.0
    for i in range(samples - correct + 1, samples + 1):
        miss *= 1.0 - k / i
    return 1.0 - miss
