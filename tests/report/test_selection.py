import pandas as pd
import pytest

from ultralow.report import selection


def comparison(*rows: tuple[str, str, str, float, float | None], source: str = "generated") -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["network", "dataset", "kind", "accuracy_mean", "lut"])
    return table.assign(source=source).astype({"lut": "Int64"})


JETS = comparison(("jets-float", "jets", "float", 0.76, None), ("a", "jets", "ternary", 0.7551, 5000),
                  ("b", "jets", "ternary", 0.7549, 400), ("c", "jets", "tables", 0.745, 90), ("d", "jets", "tables", 0.70, 9))


def test_the_smallest_of_each_kind_that_reaches_a_level():
    few = selection.fewest_luts(JETS, "jets")
    assert list(few.columns) == ["ternary", "tables"]  # the one that reaches most levels first
    assert few["ternary"].tolist() == [5000, 400, 400, 400]
    assert few["tables"].isna().tolist() == [True, True, False, False] and few["tables"].iloc[2:].tolist() == [90, 90]
    assert list(few.index)[0] == "jets-float − 0.5 points: 75.50%"
    assert list(selection.smallest_networks(JETS, "jets").values()) == ["a", "b", "c", "c"]


def test_without_a_float_network_there_is_nothing_to_be_below():
    assert selection.fewest_luts(JETS[JETS["kind"] != "float"], "jets").empty


@pytest.mark.parametrize("source, shown", [("mnist", True), ("digits28", False)])
def test_published_digits_stand_beside_ours_if_the_task_is_the_same(source, shown):
    few = selection.fewest_luts(comparison(("m", "mnist", "tables", 0.97, 1000), source=source), "mnist")
    assert (selection.PUBLISHED in few) == shown
    if shown:
        assert few.iloc[0]["tables"] == 1000 and few[selection.PUBLISHED].notna().all()
