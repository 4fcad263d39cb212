/**
 * What shows itself: tokens with a known beginning, and spellings (a program's short flag, an SQL clause) that hold a
 * secret without naming it. Tables only; which of them run on a text, redact.ts decides by the three letters in `at`.
 * Every pattern is bounded and begins at a literal, so that none takes more than linear time on hostile text.
 */

interface Shape {
  kind: string;
  pattern: string;
  /** Three letters of everything that matches, in any case: without them in a text the pattern is not tried. */
  at: readonly string[];
}

/** Long, unmistakable beginnings: they count in the middle of a word too (`\nghp_…` in escaped text, `bot123:AA…`). */
const ANYWHERE: readonly Shape[] = [
  {
    kind: 'aws-key',
    // The secret that often follows its id (CSV, two columns) goes with it.
    pattern: '(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?:[\\s,:;"\'=|]{1,5}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=]))?',
    at: ['kia', 'sia', 'bia', 'cca'],
  },
  {
    kind: 'github-token',
    pattern: 'gh[pousr]_[A-Za-z0-9_]{20,255}|github_pat_[A-Za-z0-9_]{20,255}',
    at: ['hp_', 'ho_', 'hu_', 'hs_', 'hr_', 'at_'],
  },
  {
    kind: 'gitlab-token',
    pattern: 'gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|ffct|oas)-[\\w.-]{16,255}',
    at: ['glp', 'gld', 'glr', 'glc', 'glf', 'gli', 'gla', 'gls', 'glo'],
  },
  { kind: 'slack-token', pattern: 'xox[a-z]-[\\w.-]{10,400}|xapp-\\d-[\\w-]{10,400}', at: ['xox', 'xap'] },
  {
    kind: 'webhook',
    pattern:
      'hooks\\.slack\\.com/(?:services|workflows|triggers)/[\\w/-]{20,200}|discord(?:app)?\\.com/api/webhooks/[\\w/-]{20,200}',
    at: ['oks'],
  },
  {
    kind: 'stripe-key',
    pattern: '(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{10,255}|whsec_[A-Za-z0-9+/=]{16,255}',
    at: ['sk_', 'rk_', 'ec_'],
  },
  {
    kind: 'google-key',
    pattern: 'AIza[\\w-]{30,60}|ya29\\.[\\w-]{20,1000}|GOCSPX-[\\w-]{20,60}',
    at: ['iza', 'ya2', 'spx'],
  },
  { kind: 'api-key', pattern: 'sk-(?:ant|proj|svcacct|admin|or|lf)-[\\w-]{20,400}', at: ['sk-'] },
  { kind: 'tailscale-key', pattern: 'tskey-[a-z]{2,20}-[\\w-]{6,255}', at: ['tsk'] },
  { kind: 'telegram-token', pattern: '\\d{6,12}:AA[\\w-]{30,60}', at: [':aa'] },
  { kind: 'digitalocean-token', pattern: 'do[opr]_v1_[a-f0-9]{40,80}', at: ['_v1'] },
  { kind: 'pypi-token', pattern: 'pypi-[\\w-]{30,1000}', at: ['ypi'] },
  {
    kind: 'jwt',
    // The second form is a tunnel token: one base64 object, no dots.
    pattern: 'eyJ[\\w-]{8,2000}\\.[\\w-]{4,8000}(?:\\.[\\w-]{0,2000}){0,3}|eyJhIjoi[\\w+/=-]{40,2000}',
    at: ['eyj'],
  },
  { kind: 'age-key', pattern: 'AGE-SECRET-KEY-(?:PQ-)?1[A-Z0-9]{20,2000}', at: ['t-k'] },
  { kind: 'swarm-token', pattern: 'SWMTKN-1-[\\w-]{20,200}', at: ['swm'] },
  { kind: 'proxmox-token', pattern: 'PVEAPIToken[=:]\\s?[^\\s"\']{10,200}', at: ['pve'] },
  {
    kind: 'password-hash',
    pattern:
      '\\$(?:1|5|6|7|y|gy|2[abxy]?|sha1|md5|apr1|argon2(?:id|i|d)|scrypt|pbkdf2(?:-\\w{3,10})?)\\$[\\w./$=,+-]{12,500}',
    at: [
      ...['$1$', '$5$', '$6$', '$7$', '$y$', '$gy', '$2$', '$2a', '$2b', '$2x', '$2y'],
      ...['$sh', '$md', '$ap', '$ar', '$sc', '$pb'],
    ],
  },
];

/** Short beginnings, which ordinary words end in too (`task-…`): only where a word begins. */
const AT_WORD: readonly Shape[] = [
  { kind: 'token', pattern: 'dh_[\\w-]{43}', at: ['dh_'] },
  { kind: 'api-key', pattern: 'sk-(?=[a-z-]{0,60}[A-Z0-9])[\\w-]{20,400}', at: ['sk-'] },
  { kind: 'npm-token', pattern: 'npm_[A-Za-z0-9]{30,255}', at: ['pm_'] },
  { kind: 'sendgrid-key', pattern: 'SG\\.[\\w-]{16,40}\\.[\\w-]{16,80}', at: ['sg.'] },
  { kind: 'huggingface-token', pattern: 'hf_[A-Za-z0-9]{20,80}', at: ['hf_'] },
  { kind: 'vault-token', pattern: 'hv[sbr]\\.[\\w-]{20,400}', at: ['hvs', 'hvb', 'hvr'] },
  { kind: 'docker-token', pattern: 'dckr_(?:pat|oat)_[\\w-]{20,100}', at: ['kr_'] },
  { kind: 'grafana-token', pattern: 'gl(?:sa|c)_[A-Za-z0-9+/=_]{30,400}', at: ['sa_', 'lc_'] },
  { kind: 'shopify-token', pattern: 'shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}', at: ['hpa', 'hps', 'hpc', 'hpp'] },
  { kind: 'sentry-token', pattern: 'sntry[su]_[\\w+/=-]{30,400}', at: ['snt'] },
  { kind: 'doppler-token', pattern: 'dp\\.(?:pt|st|ct|sa|scim|audit)\\.[\\w.-]{30,100}', at: ['dp.'] },
  {
    kind: 'api-key',
    pattern: '(?:gsk_|xai-|pplx-|r8_|lin_api_|sbp_|re_|NRAK-|PMAK-|HRKU-)[A-Za-z0-9_-]{24,200}',
    at: ['gsk', 'ai-', 'lx-', 'r8_', 'pi_', 'bp_', 're_', 'ak-', 'ku-'],
  },
  { kind: 'api-key', pattern: 'key-[0-9a-f]{32}(?![0-9a-f])', at: ['ey-'] },
];

export const SHAPES: readonly Shape[] = [...ANYWHERE, ...AT_WORD];

const alternatives = (shapes: readonly Shape[]) => shapes.map((s) => `(${s.pattern})`).join('|');
/** One group for each of SHAPES, in order. A word also begins behind an escape (`\n`) or an encoded character (`%3D`). */
export const SHAPE = new RegExp(
  `${alternatives(ANYWHERE)}|(?:(?<![A-Za-z0-9])|(?<=\\\\[nrt])|(?<=%[0-9A-Fa-f]{2}))(?:${alternatives(AT_WORD)})`,
  'g',
);

/** A Discord bot token begins with a number in base64: no literal to look for, so it is a rule of its own. */
export const DISCORD = /(?<![\w.-])[MNO][A-Za-z\d_-]{22,27}\.[\w-]{5,7}\.[\w-]{25,40}(?![\w-])/g;
export const DISCORD_AT = ['mt', 'mj', 'mz', 'nd', 'nt', 'nj', 'nz', 'od', 'ot'].flatMap((two) =>
  [...'aeimquycgk'].map((third) => two + third),
);

const WORD = `(?:⟦redacted:[a-z-]{1,40}⟧|"[^"\\n]{0,500}"?|'[^'\\n]{0,500}'?|[^\\s"']{1,500})`;
const flag = (before: string) => new RegExp(`(${before})(${WORD})`, 'g');
const ONE = flag('\\s-p\\s?(?!\\s)');
/** Programs whose short flags hold a secret. */
export const COMMANDS: readonly { programs: RegExp; secret: RegExp }[] = [
  { programs: /^(?:mysql|mariadb|7z)/, secret: flag('\\s-p(?!\\s)') },
  { programs: /^(?:sshpass|mongo\w*|login|usermod|useradd)$/, secret: ONE },
  { programs: /^(?:zip|unzip|ipmitool|mosquitto_\w+)$/, secret: flag('\\s-P\\s?(?!\\s)') },
  { programs: /^redis-cli$/, secret: flag('\\s-a\\s{1,8}') },
  {
    programs: /^curl$/,
    secret: flag(`\\s(?:-[a-zA-Z]{0,6}[uU]|--(?:proxy-)?user(?:\\s|=))\\s{0,8}["']?[^\\s:"'⟦-][^\\s:"'⟦]{0,200}:`),
  },
  { programs: /^https?$/, secret: flag(`\\s(?:-a|--auth)[\\s=]\\s{0,8}["']?[^\\s:"'⟦]{1,200}:`) },
  { programs: /^ldap/, secret: flag('\\s-w\\s?(?!\\s)') },
  { programs: /^(?:smb|rpcclient|net)/, secret: flag(`\\s-U\\s?["']?[^\\s%"']{1,200}%`) },
  { programs: /^snmp/, secret: flag('\\s-[cAX]\\s?(?!\\s)') },
  { programs: /^(?:nmcli|iwctl)$/, secret: flag('\\s(?:password|wifi-sec\\.psk|--passphrase)\\s{1,8}') },
  { programs: /^htpasswd$/, secret: flag('\\s-[a-zA-Z]{0,8}b[a-zA-Z]{0,8}(?:\\s{1,8}[^\\s]{1,200}){2}\\s{1,8}') },
  { programs: /^sqlplus$/, secret: /(\s[\w$]{1,60}\/)([^\s@"']{1,200})(?=@)/g },
];
export const PROGRAM =
  /(?<![\w.-])(?:mysql\w{0,20}|mariadb[\w-]{0,20}|7z\w?|sshpass|mongo\w{0,20}|login|zip|unzip|ipmitool|mosquitto_\w{1,10}|redis-cli|curl|https?|ldap\w{1,20}|smb\w{1,20}|rpcclient|net|snmp\w{1,20}|usermod|useradd|nmcli|iwctl|htpasswd|sqlplus)(?=\s)/g;
export const COMMAND_AT = [
  ...['sql', 'iad', '7z ', '7za', '7zr', 'hpa', 'ngo', 'ogi', 'zip', 'pmi', 'squ', '-cl', 'url', '-a ', '--a', '-u '],
  ...['dap', 'smb', 'rpc', 'snm', 'rmo', 'rad', 'mcl', 'wct', 'tpa'],
];

/** Spellings without a name before a separator: (what stays)(the secret). */
export const SPELLINGS: readonly { at: readonly string[]; pattern: RegExp; kind: string }[] = [
  {
    at: ['tif'],
    kind: 'password',
    // In prose things are "identified by" something too; there it is neither quoted nor in capitals.
    pattern: new RegExp(
      `((?:IDENTIFIED|identified)\\s{1,8}(?:(?:WITH|with)\\s{1,8}[\\w"']{1,60}\\s{1,8})?(?:BY|AS|by|as)\\s{1,8}(?:(?:PASSWORD|password)\\s{1,8})?(?=['"])|IDENTIFIED BY )(${WORD})`,
      'g',
    ),
  },
  {
    at: ['ogi'],
    kind: 'password',
    pattern: flag('(?<![\\w-])login\\s{1,20}[^\\s]{1,200}\\s{1,20}(?:password|passwd)\\s{1,20}'),
  },
  { at: ['mmu'], kind: 'password', pattern: flag('(?:ro|rw)community6?[ \\t]{1,20}') },
  { at: [':54'], kind: 'password', pattern: /(:543\d:[^\s:]{1,100}:[^\s:]{1,100}:)([^\s"']{1,200})/g },
  { at: ['@tc', '@un'], kind: 'password', pattern: /((?<![\w.⟦-])[\w.-]{1,64}:)([^\s@"']{1,200})(?=@(?:tcp|unix)\()/g },
  { at: [':th'], kind: 'password', pattern: /(:thin:[^\s/]{1,60}\/)([^\s@"']{1,200})(?=@)/g },
  {
    at: ['ech', 'ntf', '<<<'],
    kind: 'password',
    // What is piped into a program that reads a password: `echo … | sudo -S`, `echo root:… | chpasswd`.
    pattern: new RegExp(
      `(\\b(?:echo|printf)\\s{1,8}(?:-\\w{1,3}\\s{1,8})?(?:'%s\\\\n'\\s{1,8})?)(${WORD})(?=\\s{0,8}\\|\\s{0,8}(?:sudo\\s{1,8})?(?:chpasswd|passwd|cryptsetup|-S|(?:docker|podman|helm|oras|skopeo|gh|az|vault)\\s[^|\\n]{0,200}(?:login|stdin)|su\\b|smbpasswd))`,
      'g',
    ),
  },
];
