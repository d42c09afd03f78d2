"""Who is next: `schedule` finds a bundle for a free slot, `leasing` gives it to a hand and takes it back.

An errand that is due gets a plan (`plans`) and stands at a `site` (`sites` knows them).  A site that fails rests (`judge`);
whoever waited for it (`stranded`) and its `neighbours` go on when it is back; a `streak` keeps a connection busy.
Who waits and has another road moves when that is better (`alternatives`); what comes back when its lease is over is for
the `latecomers` to judge.
"""
