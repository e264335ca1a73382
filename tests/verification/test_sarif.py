"""SARIF 2.1.0 as its consumers read it: the structure that the standard requires, and results that keep their identity."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.verification.test_presentation import MIXED, mixed
from verification.outcome import Counterexample, Outcome, Report, Verdict
from verification.properties import CATALOGUE
from verification.sarif import FINGERPRINT, to_sarif

ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    # object: (required, optional), of the standard's objects those that are written, closed as its schema closes them
    "log": ({"version", "runs"}, {"$schema"}),
    "run": ({"tool"}, {"columnKind", "taxonomies", "results"}),
    "tool": ({"driver"}, set()),
    "driver": ({"name"}, {"version", "rules", "supportedTaxonomies"}),
    "taxonomy": ({"name"}, {"organization", "shortDescription", "taxa"}),
    "taxon": ({"id"}, set()),
    "rule": ({"id"}, {"shortDescription", "help", "defaultConfiguration", "properties", "relationships"}),
    "relationship": ({"target"}, {"kinds"}),
    "reference": (set(), {"id", "index", "toolComponent"}),
    "component": (set(), {"name", "index"}),
    "message": ({"text"}, set()),
    "result": ({"message"}, {"ruleId", "ruleIndex", "level", "locations", "partialFingerprints", "properties"}),
    "location": (set(), {"physicalLocation", "logicalLocations"}),
    "logical": (set(), {"name", "kind"}),
    "physical": ({"artifactLocation"}, {"region"}),
    "artifact": (set(), {"uri"}),
    "region": ({"startLine"}, {"startColumn", "endColumn", "snippet"}),
}


def check(kind: str, data: Mapping[str, Any]) -> None:
    required, optional = ALLOWED[kind]
    assert required <= set(data), (kind, data)
    assert set(data) <= required | optional, (kind, data)


def check_log(log: Mapping[str, Any]) -> None:
    """Every object has what the standard requires of it and nothing that it does not know."""
    assert json.loads(json.dumps(log)) == log
    check("log", log)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    check("run", run)
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
    check("tool", run["tool"])
    driver = run["tool"]["driver"]
    check("driver", driver)
    check_taxonomies(run, driver)
    for rule in driver["rules"]:
        check_rule(rule, run)
    assert len({rule["id"] for rule in driver["rules"]}) == len(driver["rules"])
    for result in run["results"]:
        check_result(result, driver)


def check_taxonomies(run: Mapping[str, Any], driver: Mapping[str, Any]) -> None:
    for taxonomy in run["taxonomies"]:
        check("taxonomy", taxonomy)
        check("message", taxonomy["shortDescription"])
        for taxon in taxonomy["taxa"]:
            check("taxon", taxon)
    for component in driver["supportedTaxonomies"]:
        check("component", component)
        assert run["taxonomies"][component["index"]]["name"] == component["name"]


def check_rule(rule: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    check("rule", rule)
    check("message", rule["shortDescription"])
    check("message", rule["help"])
    assert rule["shortDescription"]["text"].endswith(".")
    assert set(rule["defaultConfiguration"]) == {"level"}
    assert len(set(rule["properties"]["tags"])) == len(rule["properties"]["tags"])
    for relationship in rule.get("relationships", []):
        check("relationship", relationship)
        target = relationship["target"]
        check("reference", target)
        check("component", target["toolComponent"])
        taxonomy = run["taxonomies"][target["toolComponent"]["index"]]
        assert taxonomy["taxa"][target["index"]]["id"] == target["id"]


def check_result(result: Mapping[str, Any], driver: Mapping[str, Any]) -> None:
    check("result", result)
    check("message", result["message"])
    assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    assert result["level"] in ("none", "note", "warning", "error")
    assert all(isinstance(print_, str) for print_ in result["partialFingerprints"].values())
    for location in result["locations"]:
        check("location", location)
        check("physical", location["physicalLocation"])
        check("artifact", location["physicalLocation"]["artifactLocation"])
        for logical in location.get("logicalLocations", []):
            check("logical", logical)
        region = location["physicalLocation"].get("region")
        if region is not None:
            check("region", region)
            assert 1 <= region["startColumn"] <= region["endColumn"]
            assert region["startLine"] >= 1


def results(log: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from log["runs"][0]["results"]


def fingerprints(log: Mapping[str, Any]) -> list[str]:
    return [result["partialFingerprints"][FINGERPRINT] for result in results(log)]


@pytest.mark.parametrize("include_undecided", [False, True])
def test_the_log_has_the_structure_of_the_standard(include_undecided: bool) -> None:
    reports = [("src/a b.py", MIXED, mixed()), ("-", "", Report("", ())), ("c.py", MIXED, mixed())]
    check_log(to_sarif(reports, include_undecided=include_undecided))
    check_log(to_sarif([]))


def test_there_is_a_rule_for_each_property_with_its_weakness() -> None:
    (run,) = to_sarif([])["runs"]
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert list(rules) == list(CATALOGUE)
    assert rules["sql-injection"]["properties"]["tags"] == ["security", "external/cwe/cwe-089"]
    assert rules["sql-injection"]["relationships"][0]["target"]["id"] == "89"
    assert "relationships" not in rules["equivalence"]
    assert rules["zero-division"]["shortDescription"]["text"] == "The function never divides by zero."


def test_only_what_is_refuted_is_an_error_and_the_rest_a_note_if_asked_for() -> None:
    found = [(result["ruleId"], result["level"]) for result in results(to_sarif([("mean.py", MIXED, mixed())]))]
    assert found == [("zero-division", "error"), ("type-error", "error"), ("none-deref", "error")]
    log = to_sarif([("mean.py", MIXED, mixed())], include_undecided=True)
    notes = [(r["ruleId"], r["properties"]["outcome"]) for r in results(log) if r["level"] == "note"]
    assert notes == [("index-error", "bounded"), ("key-error", "unknown"), ("value-error", "unsupported")]


def test_a_result_names_call_line_columns_and_function() -> None:
    result = next(results(to_sarif([("src/mean.py", MIXED, mixed())])))
    assert result["message"]["text"] == (
        "mean([], 0) breaks zero-division (never divides by zero): ZeroDivisionError: division by zero"
    )
    (location,) = result["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "src/mean.py"
    region = location["physicalLocation"]["region"]
    assert (region["startLine"], region["startColumn"], region["endColumn"]) == (2, 6, 23)
    assert MIXED.split("\n")[1][5:22] == "sum(xs) / len(xs)"
    assert location["logicalLocations"] == [{"name": "mean", "kind": "function"}]


def test_without_a_line_there_is_no_region() -> None:
    seen = Counterexample("f(0)", "returned 1, which breaks the postcondition")
    report = Report("f", (Verdict("contract", Outcome.REFUTED, seen.observed, None, seen),))
    (result,) = results(to_sarif([("f.py", "x = 1\n", report)]))
    assert "region" not in result["locations"][0]["physicalLocation"]


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("a b/ñ#1.py", "a%20b/%C3%B1%231.py"),
        (str(Path("/x/a b.py")), "file:///x/a%20b.py"),
        ("-", "stdin"),
    ],
)
def test_a_path_is_written_as_a_uri(path: str, uri: str) -> None:
    result = next(results(to_sarif([(path, MIXED, mixed())])))
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_a_result_is_known_again_when_it_has_moved_and_no_two_are_the_same() -> None:
    first = to_sarif([("mean.py", MIXED, mixed())])
    assert to_sarif([("mean.py", MIXED, mixed())]) == first
    moved = Report(
        "mean",
        tuple(
            Verdict(v.property, v.outcome, v.reason, v.line and v.line + 2, v.counterexample) for v in mixed().verdicts
        ),
    )
    assert fingerprints(to_sarif([("mean.py", "# one\n# two\n" + MIXED, moved)])) == fingerprints(first)
    both = fingerprints(to_sarif([("mean.py", MIXED, mixed()), ("mean.py", MIXED, mixed())]))
    assert len(set(both)) == len(both) == 6
