"""What cells have in common: rhythms told by each other, and departures at once."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tidecast.models.deep.cells_together import shared_departures, shared_week  # noqa: E402

WEEK, N_CELLS = 168, 60


def drawn(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def rhythms() -> torch.Tensor:
    """Return weeks of cells that three rhythms make up, each to its own extent."""
    hours = torch.arange(float(WEEK))[:, None] * torch.tensor([1.0, 7.0, 14.0])
    found = torch.sin(hours * 2 * torch.pi / WEEK) @ drawn(3, N_CELLS)
    return found[None, :, :, None]  # (batch, slot, cell, series)


def told(season: torch.Tensor, weeks: float = 4.0, scale: float = 1.0) -> torch.Tensor:
    each = torch.ones(1, season.shape[2], 1)
    return shared_week(season, scale * each, weeks * WEEK * each, WEEK)


def test_noise_that_cells_do_not_share_is_taken_off_their_weeks() -> None:
    truth = rhythms()
    seen = truth + 0.5 * drawn(*truth.shape, seed=2)  # the noise of a mean of four weeks
    assert (told(seen) - truth).square().mean() < 0.5 * (seen - truth).square().mean()


def test_weeks_are_drawn_less_the_more_of_them_are_known_and_the_surer_they_are() -> None:
    seen = rhythms() + 0.5 * drawn(1, WEEK, N_CELLS, 1, seed=2)
    moved = [
        (told(seen, weeks, scale) - seen).square().mean()
        for weeks, scale in ((2.0, 1.0), (8.0, 1.0), (8.0, 0.1))
    ]
    assert moved[0] > moved[1] > moved[2]
    torch.testing.assert_close(told(seen, scale=1e-4), seen, atol=1e-3, rtol=0)


def test_a_week_keeps_its_level_and_repeats_itself() -> None:
    seen = rhythms() + torch.arange(float(N_CELLS))[:, None] + drawn(1, WEEK, N_CELLS, 1, seed=2)
    found = told(seen.repeat(1, 3, 1, 1)[:, : 2 * WEEK + 31])
    torch.testing.assert_close(found[:, :WEEK].mean(1), seen.mean(1), atol=1e-4, rtol=0)
    assert torch.equal(found[:, WEEK:], found[:, : WEEK + 31])


def test_of_bins_too_fine_a_week_stays_as_it_was() -> None:
    season = drawn(1, 2016 * 2, 3, 1)
    each = torch.ones(1, 3, 1)
    assert torch.equal(shared_week(season, each, 4032 * each, 2016), season)


def shaken(at: int, size: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return departures that have a way in common, and what of them it makes."""
    way = drawn(1, N_CELLS, seed=3)
    common = (drawn(300, 1, seed=4) @ way)[None, :, :, None]
    common[0, at] = size * way[0, :, None]
    return common + drawn(1, 300, N_CELLS, 1, seed=5), common


def shared(seen: torch.Tensor) -> torch.Tensor:
    return shared_departures(seen, day=24, last=6)


def test_what_cells_do_at_once_is_told_from_what_each_does() -> None:
    seen, common = shaken(at=299)
    found = shared(seen)
    own, truth = seen[:, -6:], common[:, -6:]
    assert found.shape == own.shape
    assert (found - truth).square().mean() < 0.2 * (own - truth).square().mean()
    together = torch.stack([found[0, -1, :, 0], truth[0, -1, :, 0]])
    assert torch.corrcoef(together)[0, 1] > 0.95


def test_a_cell_departs_as_the_others_do_though_nothing_is_known_of_it() -> None:
    seen, common = shaken(at=299)
    seen[0, 290:, 7] = 0.0
    found, truth = (each[0, -1, 7, 0].item() for each in (shared(seen), common))
    assert found / truth > 0.5


def test_nothing_departs_where_nothing_is_known() -> None:
    nothing = torch.zeros(2, 48, 4, 1)
    assert not shared(nothing).any()


def test_one_cell_has_its_departures_in_common_with_itself() -> None:
    seen = drawn(1, 96, 1, 2)
    torch.testing.assert_close(shared(seen), seen[:, -6:], atol=0.1, rtol=0.05)
