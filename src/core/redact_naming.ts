/**
 * Which names promise a secret, and which values behind them go: a name and a value by themselves, as keys and strings of
 * JSON come. Tables and small tests, each bounded. Where in a text a name has its value, redact_names.ts finds.
 */

/** `sure`: any value behind it goes. Otherwise only one that looks made by a random generator. */
export interface Naming {
  kind: 'password' | 'secret' | 'token' | 'key' | 'cookie' | 'authorization';
  sure: boolean;
}

// Names are compared in snake case: dbPass is db_pass, tokenFile is token_file.
const ABOUT =
  'file|path|dir|directory|location|names?|types?|ttl|length|len|min|max|counts?|total|used|usage|limit|budget|bucket|expir(?:y|es|ed|ation)|timeout|' +
  'age|lifetime|policy|ur[il]s?|endpoint|refs?|version|alg(?:orithm)?|format|modes?|methods?|enabled?|disabled?|required?|needed|prompt|fields?|' +
  'header|hint|ring|rings|rotation|bits|sizes?|providers?|managers?|services?|socket|timer|mount|target|scopes?|slice|servers?|host|stdin|fd|' +
  'env|prefix|cert_hash|fingerprint|thumbprint|issuer|audience|review|reviewer|agent|store|console|wall|plymouth|authentication|changed?|' +
  'updated?|created?|date|time|at|reset|attempts|strength|last|warn|command|options?|txt|json|ya?ml|conf|cnf|pem|crt|py|js|ts|go|sh|md|so|log|' +
  'html|css|deb|rpm|index|owner|group|uid|gid|selector|renew|accessor|support|check|quality|entropy|exchange|encryption|expire|cron';
const HARMLESS_NAME = new RegExp(
  `(?:[_.-]|(?<=pass|passw|word|passwd|phrase|token|secret|key|auth|cookie|credential|creds?|s))(?:${ABOUT})$|(?:load|import)_?credential(?:_?encrypted)?$|tokenizer$|_token_auth$`,
);
const HARMLESS_START = /^(?:no|ask|without|disable|enable|allow|show|prompt|is|has|libpam|lib)[_.-]/;
const PUBLIC_KEY =
  /(?:pub(?:lic)?|recv|primary|foreign|cache|sort|partition|idempotency|host|hot|map|group|row|lookup|routing|object)[_.-]?keys?$/;
const SURE: readonly [RegExp, Naming['kind']][] = [
  [
    /passw(?:or)?ds?|passwort|kennwort|passphrases?|passcodes?|(?:^|[_.-]|require|ssh|pg|ftp|user|db|root)pass$/,
    'password',
  ],
  [/(?:^|[_.-]|user|db|my)(?:pwd|pw)$/, 'password'],
  [
    /(?:api|access|secret|private|encrypt(?:ion)?|decryption|signing|auth|master|session|account|shared|preshared|service|storage|client|deploy|license|app|admin|write|rest)[_.-]?keys?(?:[_.-]?base)?$/,
    'key',
  ],
  [/(?:^|[_.-])psk$|pre_?shared_?key/, 'key'],
  [/secrets?(?:$|[_.-](?:$|id$|value$|key|string$|text$|\d|prod|dev|test))/, 'secret'],
  [/credentials?$|(?:^|[_.-])creds?$/, 'secret'],
  [/tokens?(?:[_.-](?:value|secret|key|string|prod|dev|test|\d+))?\d*$/, 'token'],
  [/(?:^|[_.-])jwt$|_pat$|otp_?(?:secret|seed)$/, 'token'],
  [/(?:^|[_.-])cookies?$|^\.?[a-z]*sess_?id$|^[a-z]*sessionid$/, 'cookie'],
  [/^(?:proxy[_-]|x[_-])?authorization$/, 'authorization'],
  [/^_auth$|[_.-]_auth$|(?:cli|master|redis|http|basic|proxy|docker|npm)[_.-]?auth$/, 'authorization'],
];
const UNSURE: readonly [RegExp, Naming['kind']][] = [
  [/keys?$/, 'key'],
  [/(?:^|[_.-])auth$|authkey|creds?/, 'authorization'],
  [/(?:^|[_.-])sess(?:ion)?(?:[_.-]?id)?$|(?:^|[_.-])sid$/, 'cookie'],
  [/(?:^|[_.-])(?:sig|signature|hmac)$/, 'key'],
  [/token|secret|passw/, 'secret'],
];

/** What a name (of a flag, a variable, a header, a JSON key) promises; null when nothing secret. */
export function namingOf(raw: string): Naming | null {
  // The shell's working directories.
  if (raw === 'PWD' || raw === 'OLDPWD') return null;
  const cut = raw.length > 128 ? raw.slice(-128) : raw;
  const name = cut
    .replace(/^-+/, '')
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase();
  if (HARMLESS_NAME.test(name) || HARMLESS_START.test(name) || PUBLIC_KEY.test(name)) return null;
  for (const [test, kind] of SURE) if (test.test(name)) return { kind, sure: true };
  for (const [test, kind] of UNSURE) if (test.test(name)) return { kind, sure: false };
  return null;
}

const NOTHING =
  /^(?:|true|false|null|none|nil|yes|no|on|off|enabled|disabled|allowed|denied|undefined|unset|default|optional|auto|\*{1,80}|x{3,80}|<[^<>]{0,60}>|\$\{[\w.]{1,100}\}|\$[A-Z][A-Z0-9_]{2,60}|\$\d|\?|\$\{\{[^}]{0,100}\}\}|\{\{[^}]{0,100}\}\}|%[sdin]|%\([a-z]{1,40}\)s|\.{3}|…|\(null\)|\(none\)|file|stdin|env|prompt|string)$/i;
const PATH =
  /^(?:~\/|\.{1,2}\/|\/(?:etc|run|var|home|root|usr|opt|srv|tmp|proc|sys|dev|mnt|media|data|secrets?|config|app|vault|lib|bin|boot)(?:\/|$))[^\s+=]{0,4000}$|^[\w./~-]{1,200}\.(?:pem|key|txt|crt|json|ya?ml|env|conf|sock|pub|cfg)$/;
const PLAIN_PATH = /^\/?[a-z0-9._-]{1,200}(?:\/[a-z0-9._@:-]{1,200}){1,20}\/?$/;
/** What stands in a secret's place without being one: nothing, a reference, a path. */
export const harmless = (value: string): boolean => NOTHING.test(value) || PATH.test(value);

/** At least 16 characters of a key's alphabet, letters and digits, many of them different. */
export function random(value: string): boolean {
  if (value.length < 16) return false;
  const head = value.length > 256 ? value.slice(0, 256) : value;
  if (!/^[\w+/=.~:!@#$%^&*-]+$/.test(head) || !/\d/.test(head) || !/[A-Za-z]/.test(head)) return false;
  return new Set(head).size >= 9;
}

/** Registries keep `user:password` in base64 under the plain name `auth`. */
function holdsPair(value: string): boolean {
  const body = value.replace(/={1,2}$/, '');
  // atob throws on what is not base64.
  if (body.length < 6 || body.length > 2000 || body.length % 4 === 1 || !/^[A-Za-z0-9+/]+$/.test(body)) return false;
  return /^[\x20-\x7e]+:[\x20-\x7e]+$/.test(atob(body));
}

/** Does this value, under this name, go? */
export function goes(value: string, named: Naming): boolean {
  if (EXACT_MARK.test(value) || harmless(value)) return false;
  // What need only look random may also be the key of an object store or a metric's label.
  return (
    named.sure || (random(value) && !PLAIN_PATH.test(value)) || (named.kind === 'authorization' && holdsPair(value))
  );
}

export const MARK = (kind: string): string => `⟦redacted:${kind}⟧`;
export const OUR_MARK = '⟦redacted:[a-z-]{1,40}⟧';
export const EXACT_MARK = new RegExp(`^${OUR_MARK}$`);
