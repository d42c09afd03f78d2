"""Words about the address: closed accounts, domains and users that there are not."""

from kurir.model import Cause

from .rule import TextRule, said

ADDRESS: tuple[TextRule, ...] = (
    said(
        Cause.DISABLED_USER,
        r"(?:account|mail ?box|user|address|recipient|subscriber|customer|alias)\S{0,40}(?: \S{1,60}){0,6}? (?:disabled|inactive|suspended|discontinued|deactivated|deleted|locked|frozen|blocked|closed|expired|on hold|terminated|unavailable\.? for|not active|no longer active|inactivated)",
        r"\b(?:disabled|inactive|suspended|frozen|locked|closed|expired|deactivated|discontinued|dormant) (?:account|mail ?box|recipient|user|address|e-?mail)",
        r"(?<!delivery )temporarily (?:disabled|locked|suspended)", r"user .{0,30}not active", r"recipient suspend",
        r"(?<!delivery )(?:currently|temporar(?:y|ily)) (?:suspended|locked|inactive|frozen)", r"archiv(?:ed|[eé]e?) recipient",
        r"recipient .{0,20}archiv", r"(?:is|has been|been) (?:now )?(?:suspended|deactivated|terminated)\b", r"> is (?:now )?disabled",
        r"account not activated", r"(?:mail|delivery) (?:\w{1,10} )?(?:is |has been )?disabled", r"(?:subscription|account) (?:has )?lapsed", r"user hang ?up", r"\bcompte .{0,40}bloqu", r"account (?:is )?(?:not available|disabled)",
        r"domain .{0,30}(?:has been |is )?(?:suspended|expired|disabled)", r"dinonaktifkan", r"ditangguhkan", r"deaktiviert", r"gesperrt",
        r"deshabilitad", r"desativad", r"\binaktiv", r"\binativ[ao]", r"заблокирован", r"(?:冻结|停用|禁用)", r"boite du destinataire archivee", r"vacation mode",
    ),
    said(
        Cause.UNKNOWN_DOMAIN,  # an answer that stays, before whatever else is said of the lookup
        r"type=\w{1,5}: host not found(?!, try)", r"dns records? .{0,60}not be found", r"no mx (?:record|host)s? (?:was |were )?found",
        r"(?:account or )?domain may not exist", r"lookups? (?:\S{1,40} )?failed permanently", r"lookup (?:failed|failure|error)\W{1,3}.{0,40}does not exist", r"valid mx for (?:rcpt|recipient)", r"dns (?:domain|name|record)s? .{0,80}(?:does not|doesn't) exist",
        r"mx (?:record|host)s? .{0,20}(?:to|are|is) non-?existent", r"\b(?:dns record|domain name) not found(?!.{0,120}try)", r"nxdomain", r"non-?existent domain",
        r"name or service not known", r"nodename nor servname", r"\b(?:enotfound|eai_noname)\b", r"no (?:mail|mx) (?:host|server|exchanger)s? (?:were |was )?(?:for|found)",
        r"no (?:ip |a |aaaa )?address(?:es)? (?:records? )?(?:was |were )?found for", r"(?:not|n't) (?:be )?found in (?:the )?(?:dns|domain name)", r"(?:ドメイン|ホスト).{0,20}(?:存在し|見つか)",
    ),
    said(
        Cause.DNS_FAILURE,
        r"(?:dns|mx|name ?server|host ?name|name) (?:type '\w+' )?(?:lookup|query|resolution|server|service) (?:failed|failure|error|timed? ?out|temporar|of \S{1,80} (?:responded with code (?:servfail|noerror|refused)|had no relevant))",
        r"servfail", r"\beai_(?:again|fail)\b", r"host lookup", r"failure in (?:mx |dns |name )?(?:lookup|resolution)", r"dns (?:error|failure|failed|timeout|problem|server)", r"no relevant answers",
        r"(?:unable|failed|could not|cannot|can't) (?:to )?(?:resolve|lookup|look up|find (?:mx|dns|address))", r"temporary (?:dns|name|resolution)",
        r"name ?server (?:timeout|error)", r"(?:malformed|unexpected) (?:dns|name) ?server", r"dns .{0,20}violat", r"\bbad mx\b", r"host name lookup failure", r"dns query failed",
        r"problem (?:with|resolving) dns", r"lowest numbered mx", r"address is the local host", r"config(?:uration)? error: mx", r"mx (?:list|record|points)",
        r"all (?:relevant )?mx",
    ),
    said(
        Cause.UNKNOWN_DOMAIN,
        r"(?:domain|host)(?: name| part| \S{1,80}\.[a-z]{2,20})? (?:was |is |does |has |could )?(?:not (?:be )?(?:found|exist|known|valid|resolve)|unknown|invalid|doesn't exist|nonexistent|non-existent)",
        r"(?:no such (?:domain|host)|unknown (?:host|domain)|unrout(?:e)?able (?:mail )?domain|host unknown)",
        r"(?:bad|illegal|invalid) (?:destination )?(?:host|system|domain|mailbox$)", r"domain (?:is )?not reachable",
        r"couldn't find (?:a mail exchanger|any host)", r"no mx\b",
        r"domain .{0,80}(?:does not exist|doesn't exist|not found|can't be found|couldn't be found|not reachable|is invalid)",
        r"non-?existent host", r"couldn't find any host named", r"cannot find .{0,40}(?:domain|host)",
        r"recipient address must contain a domain", r"domain (?:isn't|is not) (?:found|valid|known)", r"host/domain", r"domain must exist",
        r"domain .{0,60}(?:is|was) unknown", r"we (?:couldn't|could not) find the recipient domain",
    ),
    said(
        Cause.UNKNOWN_USER,
        r"(?:user|recipient|mail ?box|account|address|addressee|alias|customer|person|name|email|member|subscriber|list|local part|username)(?:e?s\b)?(?: address| name| account| id|:|\(s\)){0,3}(?:'?s?)? .{0,60}?(?:unknown|not (?:be )?(?:found|present|exist|known|valid|listed|local|registered|recogni[sz]ed|here|have)|does(?: not|n't) exist|doesn't|(?:is|are) invalid|(?:is|are)n't|not a valid|was not found|couldn't be found|non-?existent|not in our)",
        r"(?:no such|unknown|invalid|bad|bogus|nonexist\w+|non-existent|undefined|unrecogni[sz]ed|illegal|wrong|incorrect|no)[ _-](?:valid )?(?:local )?(?:virtual )?(?:user|recipient|mail ?box|account|address|addressee|alias|customer|person|e?-?mail(?! (?:transport|system|server|host|service|error)\b)|name|member|destinat\w+|local[ -]?part|id)(?:e?s)?\b",
        r"(?:not|isn't) (?:our|a (?:known|valid|registered|local|current)|an? (?:existing|active)) .{0,20}(?:user|customer|recipient|mailbox|address|account|subscriber)",
        r"not (?:our|a) (?:user|customer|member)", r"mail ?box (?:\S{1,80} )?(?:is )?(?:currently )?(?:un ?avai\w{1,6}ble\b|not available|invalid)",
        r"(?:recipient|mail ?box|user|rcpt)s?(?: \S{1,80})? (?:is |are )?not (?:accepted|ok|allowed|permitted)\b", r"account is not allowed",
        r"bad ?-?rcpt", r"(?:bad|valid)recipient", r"validrcpt", r"recipient (?:refuses to|has been denied)", r"rejected (?:the |all )?recipients?\b",
        r"(?:recipient|address|user) (?:(?:could not|cannot|can't) be verified|verif\w{1,8} fail)", r"(?:missing|no) home dir", r"has been replaced by",
        r"\bin (?:the |our )?(?:name |user )?(?:directory|address book)", r"lookup .{0,40}domain map", r"path no exist",
        r"address (?:rejected|invalid|unknown|error|not found|failed)", r"user (?:unknown|not found|reject|does)",
        r"recipient (?:rejected|unknown|not found|invalid|reject|no longer|address rejected)", r"recipient address(?:es)? rejected",
        r"(?:recipient|user|account) unavailable", r"invalid (?:final )?(?:delivery )?user", r"bad destination mailbox", r"does not exist",
        r"do(?:es)?n'?t exist", r"dosn'?t exist", r"no mail ?box", r"no longer (?:on|an?|at|with|valid|works?|available|here|in use|exists?)\b", r"(?:user|recipient|mailbox|account|address)_?(?:not_?found|unknown|invalid)", r"\bnew e?-?(?:mail )?address", r"\bretired\b", r"not available here", r"(?:was not|wasn't) found at ", r"(?:cannot|can't|could not) route (?:mail |message )?to", r"has moved", r"has left",
        r"(?:user|recipient|account|employee|person)\S{0,40} (?:was |is )?(?:left|moved|gone)\b", r"not (?:on|in) (?:this |the |our )?(?:post office|domain)\b",
        r"not found in", r"^\W{0,3}\S{1,320}>?:? not found", r"there is no one", r"(?:do|does)(?: not|n't) have (?:such an? |that |any such )", r"destinataire inv", r"unrout(?:e)?able address",
        r"undeliverable address(?!: ?<?\S{1,64}@)", r"did not (?:exactly )?match .{0,30}address", r"not (?:listed )?in (?:my|our|the) (?:local )?(?:user |recipient )?(?:list|table)s?\b", r"not listed in", r"not in (?:the |our )?(?:route|recipient|user|alias) list\b", r"(?:can't|cannot|could not|unable to) (?:find|locate) (?:an? |the |any )?(?:user|recipient|mail ?box|address|that)",
        r"left (?:the |our )?(?:company|organi[sz]ation)", r"does(?: not|n't) have an? \S{1,60} account", r"unknown or illegal",
        r"not known (?:here|at)", r"nosuchuser", r"to an? (?:invalid|unknown|nonexistent)", r"delivery to the following recipients? failed permanently",
        r"this address (?:no longer|is not|is no)", r"\bno(?:t? |-?)(?:one|body) (?:here )?by that name", r"tidak (?:ditemukan|dikenal|ada|terdaftar)", r"unbekannt",
        r"\binconnu", r"desconocid", r"desconhecid", r"sconosciut", r"inexist", r"\b(?:non?|n\W?) ?(?:existe|esiste)", r"inesistent", r"n[aã]o existe", r"may not exist", r"existiert nicht",
        r"nicht (?:in \S{1,80} )?gefunden", r"bestaat niet", r"\bonbekend", r"bulunamad", r"nie istnieje", r"nessun utente", r"n[aã]o encontrad", r"no encontrad", r"introuvable",
        r"не (?:найден|существует)", r"(?:用户|用戶|邮箱|信箱|收件人|帐号|账号|地址).{0,80}不存在",
        r"(?:ユーザー?|宛先|アドレス|メールボックス|受信者).{0,20}(?:存在し|見つか)", r"neexistuje", r"존재하지 않", r"isn't (?:known|recognized|valid)", r"not our",
    ),
)  # fmt: skip
