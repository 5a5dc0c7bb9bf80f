"""River's trees, forests and neighbours, on a sample of cells."""

from __future__ import annotations

from river.forest import ARFRegressor
from river.neighbors import KNNRegressor, LazySearch
from river.tree import HoeffdingTreeRegressor
from river.tree.splitter import QOSplitter

from tidecast.models.online.sampled import SampledExpert

__all__ = ["ForestExpert", "NearestExpert", "TreeExpert"]


class TreeExpert(SampledExpert):
    """River's Hoeffding tree.

    References
    ----------
    Ikonomovska, Gama and Dzeroski (2011), Learning model trees from evolving data streams.
    """

    name = "hoeffding_tree"
    rows_asked = 2000
    rows_learnt = 4

    @staticmethod
    def make() -> HoeffdingTreeRegressor:
        """Return a tree whose leaves are means: linear leaves can diverge."""
        return HoeffdingTreeRegressor(
            grace_period=100, leaf_prediction="mean", splitter=QOSplitter()
        )


class ForestExpert(SampledExpert):
    """River's adaptive random forest.

    References
    ----------
    Gomes, Barddal, Ferreira and Bifet (2018), Adaptive random forests for data stream regression.
    """

    name = "forest"
    rows_asked = 400
    rows_learnt = 2

    @staticmethod
    def make() -> ARFRegressor:
        """Return a forest of a few trees, whose leaves are means."""
        return ARFRegressor(
            n_models=3, grace_period=50, leaf_prediction="mean", splitter=QOSplitter(), seed=1
        )


class NearestExpert(SampledExpert):
    """River's nearest neighbours among the rows learnt last.

    References
    ----------
    Cover and Hart (1967), Nearest neighbor pattern classification.
    """

    name = "knn"
    rows_asked = 400
    rows_learnt = 4

    @staticmethod
    def make() -> KNNRegressor:
        """Return the mean of many neighbours: departures are mostly noise."""
        engine = LazySearch(window_size=100)
        return KNNRegressor(n_neighbors=30, engine=engine, aggregation_method="mean")
