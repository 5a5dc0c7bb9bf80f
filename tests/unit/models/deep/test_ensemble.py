"""Networks that forecast together say what they say on average."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from deep_worlds import small_config, small_network, small_windows  # noqa: E402

from tidecast.models.deep.accuracy import accuracy_of  # noqa: E402
from tidecast.models.deep.ensemble import Ensemble  # noqa: E402

ORIGINS = [20, 30]


def test_an_ensemble_says_the_mean_of_its_members() -> None:
    config = small_config()
    members = [small_network(config, seed).eval() for seed in (1, 2, 3)]
    inputs = small_windows(config).inputs(ORIGINS)
    with torch.no_grad():
        said, each = Ensemble(members)(inputs), [member(inputs) for member in members]
    torch.testing.assert_close(said.mean, sum(one.mean for one in each) / 3)
    torch.testing.assert_close(said.quantiles, sum(one.quantiles for one in each) / 3)
    assert (said.quantiles.diff(dim=-1) >= 0).all()


def test_an_ensemble_of_one_is_as_good_as_the_network() -> None:
    network = small_network(small_config())
    windows = small_windows(network.config)
    origins = windows.origins()
    alone = accuracy_of(network, windows, origins, batch_size=4).overall()
    assert accuracy_of(Ensemble([network]), windows, origins, batch_size=4).overall() == alone
