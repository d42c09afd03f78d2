"""The fixed sentences of a report, in each language.  What happened and what to do comes from the catalogue of causes."""

from collections.abc import Mapping
from types import MappingProxyType

from .settings import Lang

PHRASES: Mapping[Lang, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "name": "English",
            "subject.failed": "Your message was not delivered",
            "subject.delayed": "Your message is delayed, we keep trying",
            "subject.delivered": "Your message has arrived",
            "subject.relayed": "Your message was passed on",
            "subject.expanded": "Your message was passed on to a list",
            "subject.held": "A message could not be delivered and is held",
            "intro.failed": "We are sorry: your message could not be delivered to the address below, and we have stopped trying.",
            "intro.delayed": "Your message has not been delivered to the address below yet. You need not send it again: we keep trying.",
            "intro.delivered": "Your message was delivered to the address below, as you asked to be told.",
            "intro.relayed": "Your message was handed to the next server, which will not report the final delivery.",
            "intro.expanded": "Your message was delivered to a list, which passes it on to its members.",
            "intro.held": "A message could not be delivered. Its sender is not proven, so a report might hit a stranger whose "
            "address was forged: nobody was told, and the message is held for you. Please look at it, then release or drop it.",
            "sender": "From",
            "subject": "Subject",
            "date": "Received",
            "id": "Our number",
            "todo": "What you can do",
            "said": "The other server ({host}) said",
            "said.somebody": "The other server said",
            "detail": "Detail",
            "next": "Next attempt",
            "until": "We keep trying until",
            "twice": "The other server may have taken it all the same: its last answer was lost.",
            "wanted": "you wrote to {address}",
            "close": "Questions? Write to {postmaster} and give our number above.",
            "none": "(none)",
        },
        "id": {
            "name": "Bahasa Indonesia",
            "subject.failed": "Pesan Anda tidak terkirim",
            "subject.delayed": "Pesan Anda tertunda, kami terus mencoba",
            "subject.delivered": "Pesan Anda sudah sampai",
            "subject.relayed": "Pesan Anda sudah diteruskan",
            "subject.expanded": "Pesan Anda diteruskan ke sebuah milis",
            "subject.held": "Sebuah pesan tidak terkirim dan kami tahan",
            "intro.failed": "Mohon maaf: pesan Anda tidak dapat disampaikan ke alamat di bawah ini, dan kami sudah berhenti mencoba.",
            "intro.delayed": "Pesan Anda belum sampai ke alamat di bawah ini. Anda tidak perlu mengirim ulang: kami terus mencoba.",
            "intro.delivered": "Pesan Anda sudah sampai ke alamat di bawah ini, sesuai permintaan Anda untuk diberi tahu.",
            "intro.relayed": "Pesan Anda sudah diserahkan ke server berikutnya, yang tidak akan melaporkan penyampaian akhirnya.",
            "intro.expanded": "Pesan Anda sudah sampai ke sebuah milis, yang meneruskannya kepada para anggotanya.",
            "intro.held": "Sebuah pesan tidak dapat disampaikan. Pengirimnya tidak terbukti, jadi laporan bisa salah alamat ke orang "
            "yang alamatnya dipalsukan: tidak ada yang diberi tahu, dan pesan ini ditahan untuk Anda. Silakan periksa, lalu "
            "lepaskan atau hapus.",
            "sender": "Dari",
            "subject": "Perihal",
            "date": "Diterima",
            "id": "Nomor kami",
            "todo": "Yang dapat Anda lakukan",
            "said": "Jawaban server tujuan ({host})",
            "said.somebody": "Jawaban server tujuan",
            "detail": "Rincian",
            "next": "Percobaan berikutnya",
            "until": "Kami terus mencoba sampai",
            "twice": "Mungkin server tujuan tetap menerimanya: jawaban terakhirnya hilang di jalan.",
            "wanted": "Anda menulis ke {address}",
            "close": "Ada pertanyaan? Tulis ke {postmaster} dan sebutkan nomor kami di atas.",
            "none": "(tidak ada)",
        },
    }
)
