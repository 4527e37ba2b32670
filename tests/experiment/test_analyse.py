"""The analysis of a log against a slow oracle: each unit's rows added up by pandas, each formula written out."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evalkit.core.errors import SpecError
from evalkit.experiment.analyse import Design, analyse

METRICS = (
    "clicked:proportion", "clicked:any", "latency_ms:mean", "spent:total", "clicks/views:ratio", "feedback:satisfaction",
    "latency_ms:p90", "timestamp:retention@2",
)  # fmt: skip


def log(users=300, seed=0, variants=("control", "short", "long")) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    variant = rng.choice(variants, users)
    sizes = 1 + rng.poisson(2.0, users)
    of = np.repeat(np.arange(users), sizes)
    n = len(of)
    own = rng.normal(0, 0.5, users)
    views = 1 + rng.poisson(3, n)
    frame = pd.DataFrame(
        {
            "user_id": [f"user {index}" for index in of],
            "variant": variant[of],
            "timestamp": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 8 * 86_400, n), "s"),
            "clicked": rng.random(n) < 0.3 + 0.1 * own[of],
            "latency_ms": np.exp(6 + own[of] + rng.normal(0, 0.3, n)).round(3),
            "spent": np.round(rng.exponential(3.0, n) * (rng.random(n) < 0.4), 2),
            "clicks": rng.binomial(views, 0.3),
            "views": views,
            "feedback": rng.choice([-1, 0, 1], n),
            "before": (own + rng.normal(0, 0.3, users)).round(6)[of],
            "device": rng.choice(["phone", "desktop"], n),
        }
    )
    frame.loc[rng.random(n) < 0.05, "latency_ms"] = None
    return frame


def sums(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Each unit's numerator and denominator, units without a value left out."""
    column, _, kind = metric.rpartition(":")
    units = frame.groupby("user_id")
    if kind == "ratio":
        over, under = column.split("/")
        told = {"n": units[over].sum(), "d": units[under].sum()}
    elif kind == "any":
        told = {"n": units[column].max().astype(float), "d": 1.0}
    elif kind == "total":
        told = {"n": units[column].sum(), "d": 1.0}
    elif kind == "satisfaction":
        told = {"n": units[column].apply(lambda x: (x == 1).sum()), "d": units[column].apply(lambda x: (x != 0).sum())}
    else:
        told = {"n": units[column].sum(), "d": units[column].count()}
    found = pd.DataFrame({**told, "variant": units["variant"].first()}).astype({"n": float, "d": float})
    return found[found["d"] > 0]


def flat(told, path=""):
    """Every figure by its path, and every other thing as part of the path."""
    if isinstance(told, dict):
        return [pair for key, value in told.items() for pair in flat(value, f"{path}/{key}")]
    if isinstance(told, list):
        return [pair for at, value in enumerate(told) for pair in flat(value, f"{path}/{at}")]
    if isinstance(told, (int, float)) and not isinstance(told, bool):
        return [(path, float(told))]
    return [(f"{path}={told}", 0.0)]


def linearised(table: pd.DataFrame) -> tuple[float, np.ndarray]:
    """The ratio, and the numbers whose mean's variance is its variance (delta method)."""
    value = table["n"].sum() / table["d"].sum()
    return value, ((table["n"] - value * table["d"]) / table["d"].mean()).to_numpy()


@pytest.mark.parametrize(
    "metric", ["clicked:proportion", "latency_ms:mean", "spent:total", "clicks/views:ratio", "feedback:satisfaction"]
)
def test_every_ratio_of_sums_is_the_delta_method_over_users(metric):
    frame = log()
    found = analyse(frame, Design("variant", "control", [metric], adjust="none"))[metric]
    table = sums(frame, metric)
    a, own_a = linearised(table[table["variant"] == "control"])
    for name in ("short", "long"):
        b, own_b = linearised(table[table["variant"] == name])
        effect = found.treatments[name]
        want = stats.ttest_ind(own_b + b, own_a + a, equal_var=False)
        bounds = want.confidence_interval()
        assert (effect.a, effect.b) == (pytest.approx(a, rel=1e-10), pytest.approx(b, rel=1e-10))
        assert effect.p == pytest.approx(want.pvalue, rel=1e-8)
        assert effect.ci == (pytest.approx(bounds.low, rel=1e-7), pytest.approx(bounds.high, rel=1e-7))
        assert effect.n == len(own_a) + len(own_b)
        assert effect.lift == pytest.approx(b / a - 1)


def test_a_share_of_units_is_a_two_proportion_test():
    from statsmodels.stats.proportion import proportions_ztest

    frame = log()
    found = analyse(frame, Design("variant", "control", ["clicked:any"]))["clicked:any"].treatments["short"]
    table = sums(frame, "clicked:any")
    told = [table[table["variant"] == name]["n"] for name in ("short", "control")]
    assert found.p == pytest.approx(proportions_ztest([x.sum() for x in told], [len(x) for x in told])[1], rel=1e-9)
    assert found.test == "two-proportion z-test"


def test_retention_counts_who_is_back_on_the_day_and_whose_day_has_passed():
    frame = log()
    found = analyse(frame, Design("variant", "control", ["timestamp:retention@2", "timestamp:retention@1-3"]))
    end = frame["timestamp"].max()
    for name, first_day, last_day in (("timestamp:retention@2", 2, 2), ("timestamp:retention@1-3", 1, 3)):
        seen = {"control": [], "short": [], "long": []}
        unobserved = 0
        for _, rows in frame.groupby("user_id"):
            first = rows["timestamp"].min()
            if first + pd.Timedelta(days=last_day + 1) > end:
                unobserved += 1
                continue
            after = rows["timestamp"] - first
            back = ((after >= pd.Timedelta(days=first_day)) & (after < pd.Timedelta(days=last_day + 1))).any()
            seen[rows["variant"].iloc[0]].append(back)
        assert unobserved == found[name].unobserved > 0
        for variant, told in seen.items():
            assert found[name].values[variant] == pytest.approx(np.mean(told))
        assert found[name].treatments["long"].n_b == len(seen["long"])


def test_a_quantile_is_numpys_and_its_error_that_of_resampled_users():
    frame = log(users=600, variants=("a", "b"))
    effect = analyse(frame, Design("variant", "a", ["latency_ms:p90"]))["latency_ms:p90"].treatments["b"]
    kept = frame.dropna(subset="latency_ms")
    rng = np.random.default_rng(0)
    spread = []
    for name, value in (("a", effect.a), ("b", effect.b)):
        side = kept[kept["variant"] == name]
        assert value == pytest.approx(np.quantile(side["latency_ms"], 0.9), rel=1e-12)
        units = [rows.to_numpy() for _, rows in side.groupby("user_id")["latency_ms"]]
        drawn = [
            np.quantile(np.concatenate([units[i] for i in rng.integers(0, len(units), len(units))]), 0.9) for _ in range(300)
        ]
        spread.append(np.std(drawn))
    assert effect.stderr == pytest.approx(math.hypot(*spread), rel=0.15)
    of_rows = analyse(frame, Design("variant", "a", ["latency_ms:p90"], unit="row"))["latency_ms:p90"].treatments["b"]
    assert of_rows.stderr < 0.8 * effect.stderr  # who takes rows for independent believes too much


def test_a_covariate_takes_variance_away_and_what_is_not_known_of_it_moves_nothing():
    frame = log(users=2_000)
    plain = analyse(frame, Design("variant", "control", ["latency_ms:mean"]))["latency_ms:mean"]
    cuped = analyse(frame, Design("variant", "control", ["latency_ms:mean"], cuped=["before"]))["latency_ms:mean"]
    assert cuped.covered == frame.dropna(subset="latency_ms")["user_id"].nunique()
    assert cuped.treatments["short"].variance_cut > 0.2
    assert cuped.treatments["short"].stderr < 0.9 * plain.treatments["short"].stderr
    assert cuped.values == pytest.approx(plain.values, rel=1e-12)  # the values that are shown are those that were seen
    unknown = frame.assign(before=np.where(frame["user_id"].str.endswith("7"), np.nan, frame["before"]))
    partly = analyse(unknown, Design("variant", "control", ["latency_ms:mean"], cuped=["before"]))["latency_ms:mean"]
    assert 0 < partly.treatments["short"].variance_cut < cuped.treatments["short"].variance_cut
    assert partly.covered == unknown.dropna(subset=["latency_ms", "before"])["user_id"].nunique()
    nothing = analyse(frame.assign(before=np.nan), Design("variant", "control", ["latency_ms:mean"], cuped=["before"]))
    assert nothing["latency_ms:mean"].treatments["short"].ci == pytest.approx(plain.treatments["short"].ci)


def test_the_same_rows_in_any_order_and_format_give_the_same_figures(tmp_path):
    frame = log()
    frame.to_parquet(tmp_path / "log.parquet")
    frame.to_csv(tmp_path / "log.csv", index=False)
    frame.to_json(tmp_path / "log.jsonl", orient="records", lines=True, date_format="iso")
    half = len(frame) // 2
    (tmp_path / "parts").mkdir()
    frame.iloc[half:].to_parquet(tmp_path / "parts" / "a.parquet")
    frame.iloc[:half].to_parquet(tmp_path / "parts" / "b.parquet")
    design = Design("variant", "control", METRICS, cuped=["before"], by="device")
    shuffled = frame.sample(frac=1.0, random_state=1)
    sources = [str(tmp_path / name) for name in ("log.parquet", "log.csv", "log.jsonl", "parts/*.parquet")]
    records = frame.astype({"timestamp": str}).astype(object).where(frame.notna(), None).to_dict("records")
    told = [analyse(source, design).to_json() for source in (*sources, frame, shuffled, records)]
    for one in told:
        one.pop("source")
    first = flat(told[0])
    for one in told[1:]:
        own = flat(one)
        assert [kind for kind, _ in own] == [kind for kind, _ in first]
        # sums in parallel differ in their last digits, and small differences of large values show that
        assert [value for _, value in own] == pytest.approx([value for _, value in first], rel=1e-7, abs=1e-12)


def test_units_in_several_variants_are_counted_and_left_out_everywhere():
    frame = log(variants=("a", "b"))
    extra = frame[frame["user_id"].isin(["user 1", "user 2", "user 3"])].assign(
        variant=lambda rows: np.where(rows["variant"] == "a", "b", "a"), latency_ms=1e9, timestamp=pd.Timestamp("2026-01-05")
    )
    mixed = pd.concat([frame, extra])
    clean = frame[~frame["user_id"].isin(extra["user_id"])]
    metrics = ["latency_ms:mean", "latency_ms:p90", "timestamp:retention@2", "clicked:any"]
    ours = analyse(mixed, Design("variant", "a", metrics))
    want = analyse(clean, Design("variant", "a", metrics))
    assert ours.left_out == {"units in several variants": 3}
    assert ours.units == want.units
    assert any("several variants" in note for note in ours.notes)
    for metric in metrics:
        assert ours[metric].treatments["b"].ci == pytest.approx(want[metric].treatments["b"].ci, rel=1e-12)


def test_nulls_are_missing_not_zero_and_are_counted():
    frame = log(variants=("a", "b"))
    holes = frame.copy()
    holes.loc[holes.index % 3 == 0, "latency_ms"] = np.nan
    holes.loc[holes.index % 7 == 0, "user_id"] = None
    holes.loc[holes.index % 11 == 0, "variant"] = None
    found = analyse(holes, Design("variant", "a", ["latency_ms:mean"]))
    assert found.rows == len(frame)
    assert found.left_out == {
        "rows without variant": int((holes.index % 11 == 0).sum()),
        "rows without user_id": int(((holes.index % 7 == 0) & (holes.index % 11 != 0)).sum()),
    }
    kept = holes.dropna(subset=["variant", "user_id", "latency_ms"])
    assert found["latency_ms:mean"].values["a"] == pytest.approx(kept[kept["variant"] == "a"]["latency_ms"].mean())
    infinite = frame.assign(latency_ms=frame["latency_ms"].mask(frame.index == 5, np.inf))
    assert math.isfinite(analyse(infinite, Design("variant", "a", ["latency_ms:mean"]))["latency_ms:mean"].treatments["b"].diff)


def test_slices_are_the_analysis_of_their_rows():
    frame = log(variants=("a", "b"))
    found = analyse(frame, Design("variant", "a", ["latency_ms:mean", "clicks/views:ratio"], by="device"))
    assert [part.value for part in found.parts] == list(frame["device"].value_counts().index)
    for part in found.parts:
        alone = analyse(frame[frame["device"] == part.value], Design("variant", "a", ["latency_ms:mean", "clicks/views:ratio"]))
        assert part.units == alone.units
        for metric in part.metrics:
            assert part.metrics[metric].treatments["b"].p == pytest.approx(alone[metric].treatments["b"].p, rel=1e-10)


def test_each_row_is_a_unit_where_there_are_no_users_and_that_is_said():
    frame = log(variants=("a", "b")).drop(columns="user_id")
    found = analyse(frame, Design("variant", "a", ["latency_ms:mean", "clicked:proportion", "latency_ms:p90"]))
    kept = frame.dropna(subset="latency_ms")
    sides = [kept[kept["variant"] == name]["latency_ms"] for name in "ba"]
    assert found.unit == ""
    assert found["latency_ms:mean"].treatments["b"].p == pytest.approx(
        stats.ttest_ind(*sides, equal_var=False).pvalue, rel=1e-9
    )
    assert found["clicked:proportion"].treatments["b"].test == "two-proportion z-test"
    assert any("row" in note for note in found.notes)
    with pytest.raises(SpecError, match="retention needs units"):
        analyse(frame, Design("variant", "a", ["timestamp:retention@2"]))


def test_times_may_be_texts_seconds_or_milliseconds():
    frame = log(variants=("a", "b"))
    seconds = frame["timestamp"].astype("datetime64[s]").astype("int64")
    zoned = frame["timestamp"].dt.tz_localize("UTC")
    design = Design("variant", "a", ["timestamp:retention@2"])
    told = [
        analyse(frame.assign(timestamp=times), design)["timestamp:retention@2"].values
        for times in (
            frame["timestamp"], seconds, seconds * 1_000, zoned, zoned.dt.tz_convert("Asia/Tokyo").map(lambda t: t.isoformat()),
        )
    ]  # fmt: skip
    assert all(one == told[0] for one in told[1:])
