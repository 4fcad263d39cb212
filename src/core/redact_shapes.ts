/**
 * Which names promise a secret, what secrets look like by themselves, and which programs take one as a short flag.
 * Tables and small tests of one name or value only: where in a text they stand, redact.ts decides. Every pattern here is
 * bounded or starts at a literal, so that none takes more than linear time on hostile text.
 */

export type Kind = 'password' | 'secret' | 'token' | 'key' | 'cookie' | 'authorization';

/** `sure`: any value behind it goes. Otherwise only one that looks made by a random generator. */
export interface Naming {
  kind: Kind;
  sure: boolean;
}

const HARMLESS_NAME =
  /(?:file|path|dir|directory|names?|types?|ttl|length|len|min|max|counts?|total|used|usage|limit|expir(?:y|es|ation|es[_-]?(?:in|at))|timeout|age|policy|ur[il]s?|endpoint|ref|version|alg(?:orithm)?|format|modes?|methods?|enabled?|disabled?|required?|prompt|field|header|hint|ring|rotation|bits|sizes?|providers?|managers?|service|socket|timer|mount|target|scope|slice|servers?|host|stdin|fd|env|prefix|cert[_-]?hash|fingerprint|thumbprint|issuer|audience|auth|reviews?|review(?:er)?|agent|store|console|wall|plymouth|txt|json|ya?ml|conf|cnf|pem|crt|py|js|ts|go|sh|md|so|log|rs|html|css)$/i;
const HARMLESS_START =
  /^-{0,2}(?:no|ask|without|with|disable|enable|allow|show|prompt|get|list|create|delete|set|rotate|revoke)[_-](?!.*=)/i;
const PUBLIC_KEY =
  /(?:pub(?:lic)?|primary|foreign|cache|sort|partition|idempotency|host|cipher|hot|map|group)[_.-]?key$/i;
const SURE: readonly [RegExp, Kind][] = [
  [/pass(?:w(?:or)?ds?|wort|phrases?|codes?)|(?:^|[_.-]|require|ssh|pg|ftp|user|db|root)pass$|[a-z]Pass$/i, 'password'],
  [/(?:^|[_.-]|user|db|my)(?:pwd|passwd|pw)$/i, 'password'],
  [
    /(?:api|access|secret|private|encrypt(?:ion)?|signing|auth|master|session|account|shared(?:access)?|preshared|service|storage|client|deploy|license|app|admin|write|rest)[_.-]?keys?$/i,
    'key',
  ],
  [/(?:^|[_.-])psk$|presharedkey|hmac[_.-]?key|secret[_.-]?key[_.-]?base/i, 'key'],
  [/secrets?(?:$|[_.-])|[a-z]Secret|secret[_.-]?(?:id|value|key)|(?:client|app|shared)secret/i, 'secret'],
  [/credentials?$|(?:^|[_.-])creds?$/i, 'secret'],
  [
    /(?:^|[_.-]|[a-z](?=T)|auth|access|refresh|id|bot|api|bearer|csrf|xsrf|private|join|session|security|user|app)tokens?(?:$|[_.-](?:value|secret|key|\d+)$|\d+$)/i,
    'token',
  ],
  [/(?:^|[_.-])jwt$|(?:^|[_.-])(?:totp|otp)[_.-]?(?:secret|seed)$/i, 'token'],
  [/^(?:set-)?cookies?$|(?:^|[_.-])cookies?$|^\.?[a-z]*sessid$/i, 'cookie'],
  [/^(?:proxy-|x-)?authorization$/i, 'authorization'],
  [/(?:^|[_.-])_auth$|(?:cli|master|redis|http|basic|proxy|docker|npm)[_.-]?auth$/i, 'authorization'],
];
const UNSURE: readonly [RegExp, Kind][] = [
  [/(?:^|[_.-]|[a-z](?=K))keys?$/i, 'key'],
  [/(?:^|[_.-])auth$|authkey|(?:^|[_.-])creds?/i, 'authorization'],
  [/sess(?:ion)?[_.-]?(?:id)?$|(?:^|[_.-])sid$/i, 'cookie'],
  [/(?:^|[_.-])(?:sig|signature|hmac)$/i, 'key'],
  [/token|secret|passw/i, 'secret'],
];

/** What a name (of a flag, a variable, a header, a JSON key) promises; null when nothing secret. */
export function namingOf(raw: string): Naming | null {
  const name = raw.length > 128 ? raw.slice(-128) : raw;
  if (name === 'PWD' || name === 'OLDPWD' || name === 'pwd') return null;
  if (HARMLESS_START.test(name)) return null;
  if (HARMLESS_NAME.test(name) || PUBLIC_KEY.test(name)) {
    if (!/(?:^|[_.-])_auth$|(?:cli|master|redis|http|basic|proxy|docker|npm)[_.-]?auth$/i.test(name)) return null;
  }
  for (const [test, kind] of SURE) if (test.test(name)) return { kind, sure: true };
  for (const [test, kind] of UNSURE) if (test.test(name)) return { kind, sure: false };
  return null;
}

const HARMLESS_VALUE =
  /^(?:|true|false|null|none|nil|yes|no|on|off|undefined|unset|default|optional|auto|\*+|x{3,}|<[^<>]{0,60}>|\$\{[^}]{0,100}\}|\$[A-Z][A-Z0-9_]{2,60}|\{\{[^}]{0,100}\}\}|%[sd]|%\([a-z]+\)s|\.{3}|…|file|stdin|env|prompt|string)$/i;
const PATH =
  /^(?:~\/|\.{1,2}\/|\/(?:etc|run|var|home|root|usr|opt|srv|tmp|proc|sys|dev|mnt|media|data|secrets?|config|app|vault|lib|bin|boot)(?:\/|$))[^\s+=]*$|^[\w./~-]{1,200}\.(?:pem|key|txt|crt|json|ya?ml|env|conf|sock|pub|cfg)$/;
const PROSE =
  /^(?:is|was|has|for|not|no|incorrect|invalid|required|missing|expired|failed|failure|wrong|unknown|denied|empty|set|changed|updated|ok|success(?:ful)?|found|rejected|accepted|refused|does|must|cannot|can't|could|unable|error|authentication|user|the|a|an|and|or|expires|rotated|revoked|valid|too)(?=[\s,.;:!)]|$)/i;

export const harmless = (value: string): boolean => HARMLESS_VALUE.test(value) || PATH.test(value);
/** What follows `password: ` in a sentence rather than in a setting. */
export const prose = (value: string): boolean => PROSE.test(value);

/** At least 16 characters of a key alphabet, letters and digits, and many different ones. */
export function random(value: string): boolean {
  if (value.length < 16 || !/^[\w+/=.~:!@#$%^&*-]+$/.test(value)) return false;
  if (!/\d/.test(value) || !/[A-Za-z]/.test(value)) return false;
  return new Set(value.length > 200 ? value.slice(0, 200) : value).size >= 9;
}

/** Secrets that show themselves: [what it begins with, so that a scan can look for it, pattern, kind]. */
export const SHAPES: readonly { kind: string; pattern: string; at: readonly string[] }[] = [
  {
    kind: 'aws-key',
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
  { kind: 'slack-token', pattern: 'xox[a-z]-[\\w-]{10,255}|xapp-\\d-[\\w-]{10,255}', at: ['xox', 'xap'] },
  {
    kind: 'webhook',
    pattern:
      'hooks\\.slack\\.com/(?:services|workflows)/[\\w/-]{20,200}|discord(?:app)?\\.com/api/webhooks/[\\w/-]{20,200}',
    at: ['oks', 'ook'],
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
  { kind: 'npm-token', pattern: 'npm_[A-Za-z0-9]{30,255}', at: ['pm_'] },
  { kind: 'api-key', pattern: 'sk-(?:ant-|proj-|svcacct-|admin-|or-)?[A-Za-z0-9_-]{20,255}', at: ['sk-'] },
  { kind: 'tailscale-key', pattern: 'tskey-[a-z]+-[\\w-]{6,255}', at: ['tsk'] },
  { kind: 'telegram-token', pattern: '\\d{6,12}:AA[\\w-]{30,60}', at: [':aa'] },
  { kind: 'sendgrid-key', pattern: 'SG\\.[\\w-]{16,40}\\.[\\w-]{16,80}', at: ['sg.'] },
  { kind: 'digitalocean-token', pattern: 'do[opr]_v1_[a-f0-9]{40,80}', at: ['_v1'] },
  { kind: 'huggingface-token', pattern: 'hf_[A-Za-z0-9]{20,80}', at: ['hf_'] },
  { kind: 'pypi-token', pattern: 'pypi-[\\w-]{30,1000}', at: ['ypi'] },
  { kind: 'jwt', pattern: 'eyJ[\\w-]{8,8000}\\.[\\w-]{4,8000}(?:\\.[\\w-]{0,2000}){0,3}', at: ['eyj'] },
  { kind: 'age-key', pattern: 'AGE-SECRET-KEY-(?:PQ-)?1[A-Z0-9]{20,2000}', at: ['t-k'] },
  { kind: 'vault-token', pattern: 'hv[sbr]\\.[\\w-]{20,255}', at: ['hvs', 'hvb', 'hvr'] },
  { kind: 'token', pattern: 'dh_[\\w-]{43}', at: ['dh_'] },
  {
    kind: 'password-hash',
    pattern:
      '\\$(?:1|5|6|7|y|gy|2[abxy]?|sha1|md5|apr1|argon2(?:id|i|d)|scrypt|pbkdf2(?:-\\w{3,10})?)\\$[\\w./$=,+-]{12,500}',
    at: [
      '$1$',
      '$5$',
      '$6$',
      '$7$',
      '$y$',
      '$gy',
      '$2$',
      '$2a',
      '$2b',
      '$2x',
      '$2y',
      '$sh',
      '$md',
      '$ap',
      '$ar',
      '$sc',
      '$pb',
    ],
  },
];

/** A Discord bot token begins with a number in base64: no literal to look for, so its shape is a rule of its own. */
export const DISCORD = /(?<![\w.-])[MNO][A-Za-z\d_-]{22,27}\.[\w-]{5,7}\.[\w-]{25,40}(?![\w-])/g;

const arg = `(?:"[^"\\n]{0,500}"|'[^'\\n]{0,500}'|[^\\s"']{1,500})`;
/** Programs whose short flags hold a secret: [programs, what stands before the secret, the secret]. */
export const COMMANDS: readonly { programs: RegExp; secret: RegExp }[] = [
  { programs: /^(?:mysql\w*|mariadb[\w-]*|7z\w?|perl-mysql)$/, secret: new RegExp(`(\\s-p)(?=[^\\s])(${arg})`, 'g') },
  { programs: /^(?:sshpass|mongo\w*|login|bsondump)$/, secret: new RegExp(`(\\s-p\\s?)(?!\\s)(${arg})`, 'g') },
  { programs: /^(?:zip|unzip|ipmitool|mosquitto_\w+)$/, secret: new RegExp(`(\\s-P\\s?)(?!\\s)(${arg})`, 'g') },
  { programs: /^redis-cli$/, secret: new RegExp(`(\\s-a\\s+)(${arg})`, 'g') },
  {
    programs: /^(?:curl|wget)$/,
    secret: new RegExp(
      `(\\s(?:-[a-zA-Z]{0,6}[uU]|--(?:proxy-)?user)(?:\\s+|=)?["']?[^\\s:"'-][^\\s:"']{0,200}:)(${arg})`,
      'g',
    ),
  },
  { programs: /^https?$/, secret: new RegExp(`(\\s(?:-a|--auth)(?:\\s+|=)["']?[^\\s:"']{1,200}:)(${arg})`, 'g') },
  { programs: /^(?:ldap\w+)$/, secret: new RegExp(`(\\s-w\\s?)(?!\\s)(${arg})`, 'g') },
  { programs: /^(?:smb\w+|rpcclient|net)$/, secret: new RegExp(`(\\s-U\\s?["']?[^\\s%"']{1,200}%)(${arg})`, 'g') },
  { programs: /^snmp\w+$/, secret: new RegExp(`(\\s-[cAX]\\s?)(?!\\s)(${arg})`, 'g') },
  { programs: /^(?:usermod|useradd)$/, secret: new RegExp(`(\\s-p\\s?)(?!\\s)(${arg})`, 'g') },
  {
    programs: /^(?:nmcli|iwctl)$/,
    secret: new RegExp(`(\\s(?:password|wifi-sec\\.psk|--passphrase)\\s+)(${arg})`, 'g'),
  },
  { programs: /^htpasswd$/, secret: new RegExp(`(\\s-[a-zA-Z]*b[a-zA-Z]*(?:\\s+\\S{1,200}){2}\\s+)(${arg})`, 'g') },
];
export const PROGRAM =
  /(?:^|[\s/;|&"'(`])(mysql\w{0,20}|mariadb[\w-]{0,20}|7z\w?|sshpass|mongo\w{0,20}|login|zip|unzip|ipmitool|mosquitto_\w{1,10}|redis-cli|curl|wget|https?|ldap\w{1,20}|smb\w{1,20}|rpcclient|net|snmp\w{1,20}|usermod|useradd|nmcli|iwctl|htpasswd)(?=\s)/g;
