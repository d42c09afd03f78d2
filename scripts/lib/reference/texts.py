"""Pages from the catalogue of texts, the roles of the sandbox, and the metrics."""

from typing import Literal

from markdown import code, page, table

from kurir.model import Cause, Fate
from kurir.sandbox import roles_help
from kurir.trace import Catalogue
from kurir.trace.explain import side_of
from kurir.web.metrics import HELP

Lang = Literal["en", "id"]

_FATES = {
    "en": (
        "Fates and causes",
        ("Each recipient of an accepted message ends in exactly one *fate*, or waits. Each attempt, refusal and wait has one *cause*. Both "
        "lists are closed: these words are the only ones in `--json`, in the trace and in metrics."),
        "Fates", "Causes", ("fate", "meaning"), ("cause", "in few words", "what happened", "on whose side", "what a person can do"),
    ),
    "id": (
        "Nasib dan sebab",
        ("Setiap penerima dari pesan yang sudah diterima server berakhir pada tepat satu *nasib*, atau masih menunggu. Setiap percobaan, "
        "penolakan dan penantian punya satu *sebab*. Kedua daftar ini tertutup: hanya kata-kata ini yang dipakai di `--json`, di jejak dan di metrik."),
        "Nasib", "Sebab", ("nasib", "arti"), ("sebab", "singkatnya", "apa yang terjadi", "di pihak siapa", "yang dapat dilakukan"),
    ),
}  # fmt: skip


def fates(lang: Lang) -> str:
    """Return the page of fates and causes with their sentences."""
    catalogue = Catalogue.load()
    title, intro, one, two, fate_columns, cause_columns = _FATES[lang]
    ends = [(code(f.value), catalogue.text(lang, f"fate.{f.value}", by="…")) for f in Fate]
    causes = []
    for cause in Cause:
        said = catalogue.explain_cause(cause, lang)
        causes.append((code(cause.value), catalogue.label(cause, lang), said.what, said.side, said.todo))
    assert {side_of(c) for c in Cause}
    return page(
        title, intro, f"## {one}", table(fate_columns, ends), f"## {two}", table(cause_columns, causes)
    )


_ROLES = {
    "en": (
        "Roles of the sandbox",
        ("In a playground, mail for foreign domains goes to the sandbox. What these addresses do is real SMTP, so retries, reports and trace are those of a "
        "real difficult recipient. `kurir sandbox roles` prints the same list. Numbers and codes may be others than in the examples."),
        ("address", "what it does"),
    ),
    "id": (
        "Peran di kotak pasir",
        ("Di server coba-coba, surel untuk domain asing masuk ke kotak pasir. Yang dilakukan alamat-alamat ini adalah SMTP sungguhan, jadi percobaan ulang, "
        "laporan dan jejaknya sama seperti pada penerima yang benar-benar sulit. `kurir sandbox roles` mencetak daftar yang sama. Angka dan kode boleh lain daripada contohnya."),
        ("alamat", "perilakunya"),
    ),
}  # fmt: skip


def roles(lang: Lang) -> str:
    """Return the page of the sandbox's difficult addresses."""
    title, intro, columns = _ROLES[lang]
    return page(title, intro, table(columns, [(code(example), does) for example, does in roles_help(lang)]))


def metrics() -> str:
    """Return the page of Prometheus metrics."""
    intro = (
        "`http://127.0.0.1:8080/metrics` (in a playground port 28080) in the Prometheus text format, summed over all processes. Counters end "
        "in `_total` there. Beside it: `/healthz` (200 while the process lives), `/readyz` (200 when mail is taken and delivered, else 503 with the problems in words)."
    )
    rows = [
        (code(name), text)
        for name, text in sorted({**HELP, "kurir_up": "1 for each role that answers"}.items())
    ]
    return page("Metrics and health", intro, table(("metric", "meaning"), rows))
