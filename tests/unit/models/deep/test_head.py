"""Quantiles rise, counts are counts, and a loss counts what is known."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from deep_worlds import small_config, small_network, small_windows  # noqa: E402

from tidecast.models.deep.likelihoods import (  # noqa: E402
    LIKELIHOODS,
    NegativeBinomial,
    ZeroInflated,
)
from tidecast.models.deep.quantiles import mean_of, middle_of, ordered, pinball  # noqa: E402

ORIGINS = [20, 30]


def test_quantiles_never_cross_whatever_the_numbers() -> None:
    raw = 50.0 * torch.randn(500, 7, generator=torch.Generator().manual_seed(1))
    found = ordered(raw, middle=3)
    assert (found.diff(dim=-1) >= 0).all()
    assert torch.equal(found[:, 3], raw[:, 3])


def test_the_middle_is_the_level_nearest_to_a_half() -> None:
    assert middle_of((0.1, 0.45, 0.9)) == 1
    assert middle_of((0.9,)) == 0


def test_pinball_at_a_half_is_the_absolute_error() -> None:
    quantiles, actual = torch.tensor([[3.0], [3.0]]), torch.tensor([5.0, 1.0])
    assert pinball(quantiles, actual, torch.tensor([0.5])).tolist() == [2.0, 2.0]


def test_pinball_is_least_at_the_quantile() -> None:
    actual = torch.arange(1.0, 101.0)
    levels = torch.tensor([0.9])
    losses = [
        float(pinball(torch.full((100, 1), guess), actual, levels).mean())
        for guess in (80.0, 90.5, 97.0)
    ]
    assert losses[1] == min(losses)


def test_pinball_and_its_slope_are_those_of_its_definition() -> None:
    random = torch.Generator().manual_seed(2)
    levels, actual = torch.tensor([0.1, 0.5, 0.9]), torch.randn(40, generator=random)
    quantiles = torch.randn(40, 3, generator=random)
    quantiles[0] = actual[0]  # neither above nor below
    over = actual[:, None] - quantiles
    defined = 2.0 * torch.maximum(levels * over, (levels - 1.0) * over).mean(-1)
    torch.testing.assert_close(pinball(quantiles, actual, levels), defined)
    slopes = -2.0 / 3.0 * (levels - torch.where(over == 0, 0.5, (over < 0).float()))
    quantiles.requires_grad_()
    pinball(quantiles, actual, levels).sum().backward()
    torch.testing.assert_close(quantiles.grad, slopes)


LEVELS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def test_the_mean_of_even_quantiles_is_theirs_whatever_is_likely() -> None:
    normal = torch.distributions.Normal(20.0, 4.0).icdf(torch.tensor(LEVELS))
    for likely in (10.0, 40.0):
        found = mean_of(normal[None], LEVELS, torch.tensor([likely]))
        assert found.item() == pytest.approx(20.0, abs=1e-3)


def test_the_mean_of_rare_demand_is_that_of_the_likelihood() -> None:
    rare = torch.tensor([0.0] * 10 + [1.0])
    assert mean_of(rare, LEVELS, torch.tensor(0.3)).item() == pytest.approx(0.3)
    assert mean_of(torch.zeros(11), LEVELS, torch.tensor(0.01)).item() == pytest.approx(0.01)
    assert mean_of(torch.tensor([4.0]), (0.5,), torch.tensor(5.0)).item() == 5.0


@pytest.mark.parametrize("usual", [2.0, 9.0, 60.0])
def test_the_mean_of_counts_is_right_where_the_likelihoods_is(usual: float) -> None:
    counts = np.random.default_rng(1).poisson(usual, 200_000)
    quantiles = torch.tensor(np.quantile(counts + np.linspace(-0.5, 0.5, len(counts)), LEVELS))
    found = mean_of(quantiles, LEVELS, torch.tensor(usual))
    assert found.item() == pytest.approx(usual, rel=0.02)


@pytest.mark.parametrize("mean, dispersion", [(3.0, 0.5), (40.0, 0.05), (0.2, 2.0)])
def test_a_negative_binomial_adds_up_to_one_and_to_its_mean(mean: float, dispersion: float) -> None:
    counts = torch.arange(0.0, 400.0, dtype=torch.float64)
    distribution = NegativeBinomial(
        torch.tensor(mean, dtype=torch.float64), torch.tensor(dispersion, dtype=torch.float64)
    )
    chances = distribution.log_likelihood(counts).exp()
    assert chances.sum().item() == pytest.approx(1.0, abs=1e-6)
    assert (counts * chances).sum().item() == pytest.approx(mean, rel=1e-4)
    variance = ((counts - mean) ** 2 * chances).sum().item()
    assert variance == pytest.approx(mean + dispersion * mean**2, rel=1e-3)


def test_extra_zeros_are_added_to_those_of_the_counts() -> None:
    counts = NegativeBinomial(torch.tensor(3.0), torch.tensor(0.5))
    inflated = ZeroInflated(counts, torch.tensor(0.25))
    of_zero = counts.log_likelihood(torch.tensor(0.0)).exp()
    assert inflated.log_likelihood(torch.tensor(0.0)).exp().item() == pytest.approx(
        0.25 + 0.75 * of_zero.item()
    )
    assert inflated.mean.item() == pytest.approx(2.25)


@pytest.mark.parametrize("likelihood", sorted(LIKELIHOODS))
def test_every_likelihood_learns_the_mean_of_what_it_sees(likelihood: str) -> None:
    kind = LIKELIHOODS[likelihood]
    actual = torch.as_tensor(np.random.default_rng(1).poisson(4.0, 400).astype(np.float32))
    raw = torch.zeros(kind.n_raw, requires_grad=True)
    optimizer = torch.optim.Adam([raw], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        distribution = kind.of(raw, torch.tensor(10.0), torch.tensor(3.0))
        (-distribution.log_likelihood(actual).mean()).backward()
        optimizer.step()
    assert distribution.mean.item() == pytest.approx(actual.mean().item(), rel=0.03)


@pytest.mark.parametrize("likelihood", sorted(LIKELIHOODS))
def test_huge_and_tiny_values_keep_the_loss_and_its_gradient_finite(likelihood: str) -> None:
    config = small_config(likelihood=likelihood, n_series=1)
    network = small_network(config)
    for size in (0.0, 1e-6, 1e9):
        values = np.full((60, 6, 1), size, np.float32)
        values[::7] = np.nan
        windows = small_windows(config, values)
        loss = network.loss(
            network(windows.inputs(ORIGINS)), windows.actual(ORIGINS), windows.cells
        )
        network.zero_grad()
        loss.backward()
        assert torch.isfinite(loss)
        assert all(torch.isfinite(w.grad).all() for w in network.parameters())


def test_actuals_that_are_missing_count_for_nothing() -> None:
    config = small_config()
    network, windows = small_network(config), small_windows(config)
    forecast, actual = network(windows.inputs(ORIGINS)), windows.actual(ORIGINS)
    assert torch.isnan(actual).any()
    known = torch.isfinite(actual)
    found = network.loss(forecast, actual, windows.cells)
    one = actual.clone()
    one[~known] = torch.nan
    one[tuple(torch.argwhere(known)[0])] += 100.0
    assert torch.isfinite(found)
    assert network.loss(forecast, one, windows.cells) > found


def test_nothing_known_is_a_loss_of_zero() -> None:
    config = small_config()
    network, windows = small_network(config), small_windows(config)
    nothing = torch.full_like(windows.actual(ORIGINS), torch.nan)
    assert network.loss(network(windows.inputs(ORIGINS)), nothing, windows.cells).item() == 0.0
