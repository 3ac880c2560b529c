import json
import re

import pytest
from flask.testing import FlaskClient
from lxml import html

from server.context import Context
from server.web.messages import MESSAGES
from tests.server.web.conftest import Publish, estimate


def words(page: FlaskClient, address: str = "/", language: str = "en") -> str:
    answer = page.get(address, headers={"Accept-Language": language})
    assert answer.status_code == 200
    return " ".join(html.fromstring(answer.text).text_content().split())


def test_before_a_release_the_page_says_that_there_are_no_figures(page: FlaskClient) -> None:
    assert "No figures yet" in words(page)


def test_a_draft_is_not_shown(page: FlaskClient, publish: Publish) -> None:
    publish(is_published=False)
    assert "No figures yet" in words(page)
    assert "14.8%" not in words(page)


def test_national_figures_are_shown_with_their_intervals(page: FlaskClient, publish: Publish) -> None:
    publish()
    text = words(page)
    assert "14.8%" in text
    assert "95% interval 13.6% to 16.0%" in text
    assert "79.7 million US dollars" in text
    assert "2.78 months of earnings, median" in text


def test_the_newest_published_release_is_the_one_shown(page: FlaskClient, publish: Publish) -> None:
    publish()
    newest = publish(estimate(value=0.15))
    publish(estimate(value=0.99), is_published=False)
    assert f"Release {newest}" in words(page)
    assert "15.0%" in words(page)
    assert "99.0%" not in words(page)


def test_hidden_cells_say_so_and_hold_no_number(page: FlaskClient, publish: Publish) -> None:
    publish()
    document = html.fromstring(page.get("/").text)
    (row,) = [row for row in document.xpath("//tbody/tr") if row.xpath("string(th)") == "Province 02"]
    assert [cell.text_content() for cell in row.xpath("td")] == ["hidden", "", "", "hidden: too few cases"]
    charted = document.xpath("//*[name()='svg'][@class='chart'][1]//*[@class='value hidden']")
    assert [text.text_content() for text in charted] == ["hidden"]


def test_flags_are_told_in_words(page: FlaskClient, publish: Publish) -> None:
    publish()
    text = words(page)
    assert "use with care" in text
    assert "too uncertain" in text


def test_every_chart_has_a_title_a_description_and_a_table(page: FlaskClient, publish: Publish) -> None:
    publish()
    document = html.fromstring(page.get("/").text)
    charts = document.xpath("//*[name()='svg'][@class='chart']")
    assert len(charts) == 3
    for chart in charts:
        title, description = chart.get("aria-labelledby").split()
        assert chart.xpath(f"string(*[@id='{title}'])")
        assert "The table below" in chart.xpath(f"string(*[@id='{description}'])")
        assert chart.getparent().xpath(".//table/caption")


def test_the_page_is_french_when_the_browser_is_and_english_when_asked(page: FlaskClient, publish: Publish) -> None:
    publish()
    assert "Ménages ayant un membre à l'étranger" in words(page, language="fr-FR,en;q=0.5")
    assert "14,8" in words(page, language="fr")
    assert "Households with a member abroad" in words(page, "/?lang=en", language="fr")
    assert "Households with a member abroad" in words(page, "/?lang=xx", language="sw")


def test_made_data_are_called_made_and_their_truth_stands_beside(
    page: FlaskClient, publish: Publish, sqlite_context: Context
) -> None:
    publish()
    survey = {
        "title": {"en": "A <made> survey"},
        "country": "Lamaria",
        "made_data": True,
        "labels": {"province": {"02": "Belane"}},
        "truth": [{"indicator": "MIG-01", "statistic": "proportion", "real": 0.151, "reported": 0.149}],
    }
    (sqlite_context.config.data_dir / "survey.json").write_text(json.dumps(survey))
    text = words(page)
    assert "Made data." in text
    assert "A <made> survey" in text
    assert "02 Belane" in text
    assert "as households report it 14.9%; in reality 15.1%" in text


@pytest.mark.parametrize("content", ["{", "[]", '{"title": 3, "labels": [1], "truth": {"a": 1}}', "\x00"])
def test_a_survey_file_that_makes_no_sense_does_no_harm(
    page: FlaskClient, publish: Publish, sqlite_context: Context, content: str
) -> None:
    publish()
    (sqlite_context.config.data_dir / "survey.json").write_text(content)
    assert "Made data." not in words(page)


def test_progress_by_province_is_public_and_names_no_enumerator(page: FlaskClient, surveyed: Context) -> None:
    text = words(page)
    assert "Province 01" in text
    assert "0001" not in text


def test_pages_run_no_script_and_load_nothing_from_elsewhere(page: FlaskClient, publish: Publish) -> None:
    publish()
    answer = page.get("/")
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "<script" not in answer.text
    assert not re.search(r"\sstyle=|\son[a-z]+=", answer.text)
    assert not re.search(r"(src|href)=\"(https?:)?//", answer.text)


def test_downloads_lead_to_the_release_s_figures(page: FlaskClient, publish: Publish) -> None:
    release_id = publish()
    document = html.fromstring(page.get("/").text)
    links = document.xpath("//a[@download]/@href")
    assert links == [
        f"/api/v1/releases/{release_id}/estimates?format=csv",
        f"/api/v1/releases/{release_id}/estimates?format=json",
    ]
    assert [page.get(link).status_code for link in links] == [200, 200]


def test_both_languages_have_every_message_with_the_same_values() -> None:
    assert MESSAGES["en"].keys() == MESSAGES["fr"].keys()
    for key, text in MESSAGES["en"].items():
        assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", MESSAGES["fr"][key])), key
