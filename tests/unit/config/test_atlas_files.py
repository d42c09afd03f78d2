"""The shipped atlas, and an operator's files over it."""

import re
from pathlib import Path

import pytest

from kurir.config import ConfigError, load, load_atlas
from kurir.limits import Confidence, Per, Unit


def own(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "own.toml"
    file.write_text(text)
    return file


def mistakes(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as e:
        load_atlas([own(tmp_path, text)])
    return [str(m) for m in e.value.mistakes]


def test_every_shipped_line_has_a_source_and_a_date() -> None:
    atlas = load_atlas()
    assert len(atlas.smarthosts) >= 20
    assert len(atlas.receivers) >= 10
    for entry in (*atlas.smarthosts, *atlas.receivers):
        for limit in entry.limits:
            assert limit.source, (entry.name, limit.id)
            assert re.fullmatch(r"20\d\d-\d\d-\d\d", limit.seen), (entry.name, limit.id)
            assert limit.confidence is not Confidence.OPERATOR


@pytest.mark.parametrize(
    ("host", "login", "name"),
    [
        ("smtp.gmail.com", "a@gmail.com", "gmail"),
        ("smtp.gmail.com", "a@firma.id", "google-workspace"),
        ("smtp.office365.com", "a@firma.id", "microsoft-365"),
        ("email-smtp.ap-southeast-3.amazonaws.com", "AKIA", "amazon-ses"),
        ("smtp-relay.brevo.com", "a@b", "brevo"),
        ("mail.example.org", "a@b", None),
    ],
)
def test_smarthosts(host: str, login: str, name: str | None) -> None:
    found = load_atlas().smarthost(host, login)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("hosts", "name"),
    [
        (["gmail-smtp-in.l.google.com", "alt1.gmail-smtp-in.l.google.com"], "google"),
        (["aspmx.l.google.com"], "google"),
        (["firma-id.mail.protection.outlook.com"], "microsoft-365"),
        (["outlook-com.olc.protection.outlook.com"], "outlook"),
        (["mta5.am0.yahoodns.net", "mta6.am0.yahoodns.net"], "yahoo"),
        (["mx.example.org"], None),
    ],
)
def test_receivers(hosts: list[str], name: str | None) -> None:
    found = load_atlas().receiver(hosts)
    assert (found.name if found else None) == name


def test_an_operator_overrides_a_field_and_is_named_for_it(tmp_path: Path) -> None:
    file = own(
        tmp_path,
        "[smarthosts.brevo]\nassumed = 'free'\n[smarthosts.brevo.limits.messages-day-free]\nvalue = 20000\n",
    )
    brevo = load_atlas([file]).smarthost("smtp-relay.brevo.com")
    assert brevo is not None
    (limit,) = [x for x in brevo.limits if x.id == "messages-day-free"]
    assert (limit.value, limit.per, limit.source, limit.confidence) == (
        20000,
        Per.DAY,
        str(file),
        Confidence.OPERATOR,
    )
    assert brevo.assumed == "free"
    plain = load_atlas().smarthost("smtp-relay.brevo.com")
    assert plain is not None
    assert (
        next(x.value for x in plain.limits if x.id == "messages-day-free") == 300
    )  # the shipped one is untouched


def test_every_shipped_note_is_there_in_both_languages() -> None:
    atlas = load_atlas()
    entries = (*atlas.smarthosts, *atlas.receivers)
    noted = [(x.note, x.note_id) for entry in entries for x in (entry, *entry.limits)]
    assert sum(bool(note) for note, _ in noted) >= 32
    assert not [pair for pair in noted if bool(pair[0]) is not bool(pair[1])]
    assert not [note for note, said in noted if note and note == said]


def test_a_note_of_the_operator_is_not_followed_by_the_shipped_one_in_indonesian(tmp_path: Path) -> None:
    where = "[smarthosts.gmail.limits.messages-day]\n"
    for text, said in (
        ('note = "ours"', ("ours", "")),
        ('note = "ours"\nnote_id = "punya kami"', ("ours", "punya kami")),
    ):
        gmail = load_atlas([own(tmp_path, where + text)]).smarthost("smtp.gmail.com", "gmail.com")
        [day] = [x for x in gmail.limits if x.id == "messages-day"]
        assert (day.note, day.note_id) == said
    with pytest.raises(ConfigError) as e:
        load_atlas([own(tmp_path, where + 'note = ""\nnote_id = "punya kami"')])
    assert "write the note itself" in str(e.value)


def test_names_for_spf_have_a_source_too_and_the_operator_may_say_others(tmp_path: Path) -> None:
    for service in load_atlas().smarthosts:
        assert service.spf is None or (service.spf.names and service.spf.source and service.spf.seen)
    file = own(tmp_path, '[smarthosts.brevo.spf]\nnames = ["spf.own.example"]\nsource = "their help"\n')
    brevo = load_atlas([file]).smarthost("smtp-relay.brevo.com")
    assert brevo is not None and brevo.spf is not None
    assert (brevo.spf.names, brevo.spf.source) == (("spf.own.example",), "their help")
    file.write_text('[smarthosts.new]\nlabel = "New"\n[smarthosts.new.spf]\nnames = ["spf.new.example"]\n')
    new = next(s for s in load_atlas([file]).smarthosts if s.name == "new")
    assert new.spf is not None
    assert (new.spf.source, new.spf.confidence) == (str(file), Confidence.OPERATOR)


def test_an_operator_adds_and_switches_off(tmp_path: Path) -> None:
    atlas = load_atlas([own(tmp_path, """
[smarthosts.mine]
label = "My hoster"
hosts = ["mail.hoster.id"]
[smarthosts.mine.limits.hour]
unit = "messages"
value = 100
per = "hour"
scope = "domain"
beyond = "discard"
[receivers.google.limits.connections]
off = true
""")])  # fmt: skip
    mine = atlas.smarthost("mail.hoster.id")
    assert mine is not None
    (quota,) = atlas.by_smarthost(mine, "me").quotas
    assert (quota.stop, quota.window) == (80, 3600.0)
    google = atlas.receiver(["aspmx.l.google.com"])
    assert google is not None
    assert not [x for x in google.limits if x.unit is Unit.CONNECTIONS]


def test_all_mistakes_at_once_with_suggestions(tmp_path: Path) -> None:
    found = mistakes(tmp_path, """
[smarthosts.google-workspce.limits.messages-day]
value = 10
[smarthosts.brevo.limits.messages-day-fre]
value = 10
[smarthosts.brevo.limits.messages-day-free]
valu = 10
per = "dya"
[receivers.google]
hosts = ["google"]
[receivers.google.limits.connections]
unit = "octets"
""")  # fmt: skip
    text = "\n".join(found)
    assert "smarthosts.google-workspce: is not in the atlas" in text
    assert "did you mean 'google-workspace'?" in text
    assert "did you mean 'messages-day-free'?" in text
    assert "valu: there is no such key (did you mean 'value'?)" in text
    assert "must be one of 'second', 'minute'" in text
    assert "'google' is no host" in text
    assert "octets per once makes no sense: connections" in text
    assert len(found) == 6


def test_a_service_in_the_own_network_has_a_name_without_dots(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('[smarthosts.own]\nlabel = "Own"\nhosts = ["relay"]\n', "utf-8")
    found = load_atlas([own]).smarthost("relay")
    assert found is not None and found.name == "own"
    own.write_text('[smarthosts.own]\nlabel = "Own"\nhosts = ["*.relay"]\n', "utf-8")
    with pytest.raises(ConfigError, match="is no host"):
        load_atlas([own])


def test_what_never_fits_is_a_mistake(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path, '[receivers.mine]\nlabel = "x"\nhosts = ["aspmx.l.google.com"]\nafter = ["google"]\n'
    )
    assert found == [
        f"{tmp_path / 'own.toml'}: receivers.mine: can never be found: google fit everything before it"
    ]
    found = mistakes(tmp_path, '[receivers.mine]\nlabel = "x"\nhosts = ["aspmx.l.google.com"]\n')
    (only,) = found
    assert only.startswith(
        f"{tmp_path / 'own.toml'}: receivers.mine: fits aspmx.l.google.com and so does 'google': nobody knows which"
    )
    assert only.endswith('(say in one of them: after = ["the other"])')


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    broken = own(tmp_path, "[")
    with pytest.raises(ConfigError) as e:
        load_atlas([broken, tmp_path / "none.toml"])
    assert len(e.value.mistakes) == 2


def config(tmp_path: Path, road: str) -> Path:
    file = tmp_path / "kurir.toml"
    file.write_text(f'[server]\nhostname = "mail.test.id"\n[[roads]]\nname = "r"\n{road}\n')
    return file


def test_roads_name_providers_and_plans_of_the_atlas(tmp_path: Path) -> None:
    load(config(tmp_path, 'url = "smtp://smtp-relay.brevo.com"\nplan = "free"'), {})
    load(config(tmp_path, 'url = "smtp://cp.hoster.id"\nprovider = "cpanel"'), {})
    with pytest.raises(ConfigError) as e:
        load(config(tmp_path, 'url = "smtp://smtp-relay.brevo.com"\nplan = "fre"'), {})
    assert str(e.value.mistakes[0]) == (
        "roads.0.plan: the atlas has no such plan of this provider (did you mean 'free'?)"
    )
    with pytest.raises(ConfigError) as e:
        load(config(tmp_path, 'url = "smtp://x.id"\nprovider = "brefo"'), {})
    assert (
        str(e.value.mistakes[0]) == "roads.0.provider: the atlas has no such provider (did you mean 'brevo'?)"
    )


def test_the_files_of_the_manual_are_right(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "how-to" / "limits.md").read_text("utf-8")
    (text,) = [b for b in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if b.startswith("# limits.toml")]
    atlas = load_atlas([own(tmp_path, text)])
    mine = atlas.smarthost("mail.hoster.example")
    assert mine is not None
    assert [q.stop for q in atlas.by_smarthost(mine, "me").quotas] == [80]
