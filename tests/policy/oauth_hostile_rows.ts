/**
 * Tokens that must not be accepted, each with the reason that it must be refused for, and its twin: as like it as a good token can be.
 * Without a twin of its own, the plain good token of the issuer stands beside it.
 */
import type { Fault } from '../../src/policy/oauth/faults.ts';
import {
  HOME,
  KEYS,
  ofSolo,
  ofStrict,
  publicJwk,
  RESOURCE,
  type Spec,
  START_S,
  STRICT,
  signature,
} from './oauth_issuer.ts';

export interface Row {
  name: string;
  fault: Fault;
  bad: Spec | string;
  good?: Spec;
  /** jose takes it with nothing but `issuer` and `audience` set. */
  josePasses?: true;
}

const part = (at: number, edit: (text: string) => string) => (token: string) =>
  token
    .split('.')
    .map((p, i) => (i === at ? edit(p) : p))
    .join('.');
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** Another last character for the same bytes. */
const unusedBits = (text: string) => {
  if (text.length % 4 === 0) throw new Error('no unused bits in this one');
  return text.slice(0, -1) + ALPHABET[ALPHABET.indexOf(text.at(-1) as string) | 1];
};
/** Spaces at the end of the JSON, so that its encoding has unused bits. */
const uneven = (text: string) => text + ' '.repeat((4 - (Buffer.byteLength(text) % 3)) % 3);
const claims = (c: Spec['claims']): Spec => ({ claims: c });
const header = (h: Spec['header']): Spec => ({ header: h });
const insert = (more: string) => (text: string) => `{${more},${text.slice(1)}`;
const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);

const form: Row[] = [
  { name: 'nothing but dots', fault: 'form', bad: '..' },
  { name: 'two parts', fault: 'form', bad: { token: (t) => t.split('.').slice(0, 2).join('.') } },
  { name: 'four parts', fault: 'form', bad: { token: (t) => `${t}.AAAA` } },
  { name: 'five parts, as an encrypted token has', fault: 'encrypted', bad: { token: (t) => `${t}.AAAA.AAAA` } },
  { name: 'six parts', fault: 'form', bad: { token: (t) => `${t}.AA.AA.AA` } },
  { name: 'a dot at the end', fault: 'form', bad: { token: (t) => `${t}.` } },
  { name: 'no signature', fault: 'form', bad: { token: part(2, () => '') } },
  { name: 'no claims', fault: 'form', bad: { token: part(1, () => '') } },
  { name: 'padding behind the header', fault: 'form', bad: { token: part(0, (p) => `${p}==`) } },
  { name: 'padding behind the claims', fault: 'form', bad: { token: part(1, (p) => `${p}=`) } },
  { name: 'padding behind the signature', josePasses: true, fault: 'form', bad: { token: part(2, (p) => `${p}==`) } },
  { name: 'a plus of the other alphabet', fault: 'form', bad: { token: part(2, (p) => `+${p.slice(1)}`) } },
  { name: 'a slash of the other alphabet', fault: 'form', bad: { token: part(2, (p) => `/${p.slice(1)}`) } },
  { name: 'a space inside', fault: 'form', bad: { token: part(1, (p) => `${p.slice(0, 8)} ${p.slice(8)}`) } },
  {
    name: 'a line break inside',
    josePasses: true,
    fault: 'form',
    bad: { token: part(2, (p) => `${p.slice(0, 4)}\n${p.slice(4)}`) },
  },
  { name: 'a line break at the end', josePasses: true, fault: 'form', bad: { token: (t) => `${t}\n` } },
  { name: 'a tab at the end', josePasses: true, fault: 'form', bad: { token: (t) => `${t}\t` } },
  { name: 'a NUL at the end', fault: 'form', bad: { token: (t) => `${t}\0` } },
  { name: 'a space before it', fault: 'form', bad: { token: (t) => ` ${t}` } },
  { name: 'a letter of another alphabet', fault: 'form', bad: { token: part(2, (p) => `а${p.slice(1)}`) } },
  { name: 'a comma and the beginning of another', fault: 'form', bad: { token: (t) => `${t},eyJ` } },
  {
    name: 'unused last bits of the header, signed so',
    josePasses: true,
    fault: 'form',
    bad: { headerText: uneven, encoded: (h, c) => [unusedBits(h), c] },
    good: { headerText: uneven },
  },
  {
    name: 'unused last bits of the claims, signed so',
    josePasses: true,
    fault: 'form',
    bad: { claimsText: uneven, encoded: (h, c) => [h, unusedBits(c)] },
    good: { claimsText: uneven },
  },
  { name: 'unused last bits of the signature', josePasses: true, fault: 'form', bad: { token: part(2, unusedBits) } },
  {
    name: 'one character too many in the signature',
    fault: 'form',
    bad: { key: 'ec384', header: { alg: 'ES384' }, token: part(2, (p) => `${p}A`) },
    good: { key: 'ec384', header: { alg: 'ES384' } },
  },
  { name: 'the JSON serialization', fault: 'form', bad: JSON.stringify({ payload: 'e30', signatures: [] }) },
  {
    name: 'longer than any token',
    josePasses: true,
    fault: 'size',
    bad: claims({ filler: 'x'.repeat(9_500) }),
    good: claims({ filler: 'x'.repeat(8_000) }),
  },
  { name: 'a megabyte', fault: 'size', bad: { token: (t) => t + 'A'.repeat(1 << 20) } },
];

const json: Row[] = [
  { name: 'a header that ends too early', fault: 'json', bad: { headerText: (t) => t.slice(0, -1) } },
  { name: 'claims that end too early', fault: 'json', bad: { claimsText: (t) => t.slice(0, -1) } },
  { name: 'claims that are a list', fault: 'json', bad: { claimsText: (t) => `[${t}]` } },
  { name: 'claims that are a text', fault: 'json', bad: { claimsText: (t) => JSON.stringify(t) } },
  { name: 'claims that are null', fault: 'json', bad: { claimsText: () => 'null' } },
  { name: 'claims that are a number', fault: 'json', bad: { claimsText: () => '12' } },
  { name: 'two algorithms', josePasses: true, fault: 'json', bad: { headerText: insert('"alg":"none"') } },
  { name: 'two key ids', josePasses: true, fault: 'json', bad: { headerText: insert('"kid":"rsa"') } },
  { name: 'two types', josePasses: true, fault: 'json', bad: { headerText: insert('"typ":"JWT"') } },
  { name: 'two issuers', josePasses: true, fault: 'json', bad: { claimsText: insert(`"iss":"${STRICT}"`) } },
  { name: 'two subjects', josePasses: true, fault: 'json', bad: { claimsText: insert('"sub":"root"') } },
  {
    name: 'two audiences',
    josePasses: true,
    fault: 'json',
    bad: { claimsText: insert('"aud":"https://other.example.org"') },
  },
  { name: 'two ends', josePasses: true, fault: 'json', bad: { claimsText: insert('"exp":9999999999') } },
  { name: 'two scopes', josePasses: true, fault: 'json', bad: { claimsText: insert('"scope":"admin"') } },
  {
    name: 'the same claim twice with one value',
    josePasses: true,
    fault: 'json',
    bad: { claimsText: insert('"sub":"alice"') },
  },
  {
    name: 'a second subject, spelled with an escape',
    josePasses: true,
    fault: 'json',
    bad: { claimsText: insert('"\\u0073ub":"root"') },
  },
  {
    name: 'a name twice in an object within',
    josePasses: true,
    fault: 'json',
    bad: { claimsText: insert('"org":{"a":1,"b":{},"a":2}') },
    good: { claimsText: insert('"org":{"a":1,"b":{"a":1}},"list":[{"a":1},{"a":2}]') },
  },
  { name: 'a comma too many', fault: 'json', bad: { claimsText: (t) => `${t.slice(0, -1)},}` } },
  { name: 'something behind the claims', fault: 'json', bad: { claimsText: (t) => `${t}{}` } },
  { name: 'a comment', fault: 'json', bad: { claimsText: (t) => `${t}//` } },
  { name: 'a byte order mark', josePasses: true, fault: 'json', bad: { claimsText: (t) => `\ufeff${t}` } },
  {
    name: 'bytes that are no UTF-8',
    fault: 'json',
    bad: {
      claimsText: (t) => Buffer.concat([Buffer.from(t.replace('}', ',"x":"')), Buffer.from([0xff]), Buffer.from('"}')]),
    },
    good: claims({ x: 'ÿ' }),
  },
  {
    name: 'a slash in two bytes',
    fault: 'json',
    bad: {
      claimsText: (t) =>
        Buffer.concat([Buffer.from(t.replace('}', ',"x":"')), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')]),
    },
    good: claims({ x: '/' }),
  },
  {
    name: 'half of a character in UTF-8',
    fault: 'json',
    bad: {
      claimsText: (t) =>
        Buffer.concat([Buffer.from(t.replace('}', ',"x":"')), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')]),
    },
    good: claims({ x: '😀' }),
  },
  {
    name: 'seventeen levels',
    josePasses: true,
    fault: 'json',
    bad: claims({ deep: deep(16) }),
    good: claims({ deep: deep(15) }),
  },
  { name: 'NaN for a time', fault: 'json', bad: { claimsText: (t) => t.replace(/"exp":\d+/, '"exp":NaN') } },
  {
    name: 'a control character in a text',
    fault: 'json',
    bad: { claimsText: insert('"x":"\u0001"') },
    good: { claimsText: insert('"x":"\\u0001"') },
  },
];

const otherJwk = publicJwk('stranger');
const algorithms: Row[] = [
  { name: 'no algorithm', fault: 'alg', bad: header({ alg: undefined }) },
  { name: 'alg none with a signature', fault: 'alg', bad: header({ alg: 'none' }) },
  { name: 'alg None', fault: 'alg', bad: header({ alg: 'None' }) },
  { name: 'alg NONE', fault: 'alg', bad: header({ alg: 'NONE' }) },
  { name: 'alg none and no signature', fault: 'form', bad: { header: { alg: 'none' }, signed: () => '' } },
  { name: 'an algorithm that is a number', fault: 'alg', bad: header({ alg: 256 }) },
  { name: 'an algorithm that is null', fault: 'alg', bad: header({ alg: null }) },
  { name: 'a list of algorithms', fault: 'alg', bad: header({ alg: ['ES256'] }) },
  { name: 'lower case', fault: 'alg', bad: header({ alg: 'es256' }) },
  { name: 'a space behind it', fault: 'alg', bad: header({ alg: 'ES256 ' }) },
  { name: 'a NUL behind it', fault: 'alg', bad: header({ alg: 'ES256\0' }) },
  { name: 'a name of Object', fault: 'alg', bad: header({ alg: 'constructor' }) },
  ...(['HS256', 'HS384', 'HS512'] as const).map(
    (alg): Row => ({
      name: `${alg} with the public RSA key as its secret`,
      fault: 'alg',
      bad: { header: { alg, kid: 'rsa' }, secret: KEYS.rsa.public.export({ type: 'spki', format: 'pem' }).toString() },
      good: { key: 'rsa', header: { alg: `RS${alg.slice(2)}` } },
    }),
  ),
  {
    name: 'HS256 with the public EC key as its secret',
    fault: 'alg',
    bad: { header: { alg: 'HS256' }, secret: JSON.stringify(publicJwk('ec')) },
  },
  {
    name: 'HS256 with a shared key of the set',
    fault: 'alg',
    bad: { header: { alg: 'HS256', kid: 'oct' }, secret: 'a secret that is none' },
  },
  { name: 'ES256K', fault: 'alg', bad: header({ alg: 'ES256K' }) },
  {
    name: 'RS1',
    fault: 'alg',
    bad: { key: 'rsa', header: { alg: 'RS1' } },
    good: { key: 'rsa', header: { alg: 'PS384' } },
  },
  { name: 'an algorithm for encryption', fault: 'alg', bad: header({ alg: 'RSA-OAEP-256' }) },
  { name: 'alg dir', fault: 'alg', bad: header({ alg: 'dir' }) },
  {
    name: 'a good algorithm that this issuer does not use',
    fault: 'alg',
    bad: { ...ofStrict({}, { alg: 'RS256', kid: 'rsa' }), key: 'rsa' },
    good: ofStrict(),
    josePasses: true,
  },
  {
    name: 'RS256 for an EC key',
    fault: 'no_key',
    bad: { key: 'rsa', header: { alg: 'RS256', kid: 'ec' } },
    good: { key: 'rsa', header: { alg: 'RS256' } },
  },
  { name: 'ES256 for an RSA key', fault: 'no_key', bad: header({ kid: 'rsa' }) },
  {
    name: 'ES384 for a P-256 key',
    fault: 'no_key',
    bad: header({ alg: 'ES384' }),
    good: { key: 'ec384', header: { alg: 'ES384' } },
  },
  {
    name: 'ES256 for a P-521 key',
    fault: 'no_key',
    bad: { key: 'ec512' },
    good: { key: 'ec512', header: { alg: 'ES512' } },
  },
  {
    name: 'EdDSA for an EC key',
    fault: 'no_key',
    bad: { key: 'ed', header: { alg: 'EdDSA', kid: 'ec' } },
    good: { key: 'ed', header: { alg: 'EdDSA' } },
  },
  {
    name: 'PS256 for a key of RS256 alone',
    fault: 'no_key',
    bad: { key: 'rsa', header: { alg: 'PS256', kid: 'rs256-only' } },
    good: { key: 'rsa', header: { alg: 'RS256', kid: 'rs256-only' } },
  },
  {
    name: 'PS256 signed as RS256',
    fault: 'signature',
    bad: { key: 'rsa', header: { alg: 'PS256' }, signed: (_, data) => signature('RS256', data, 'rsa') },
    good: { key: 'rsa', header: { alg: 'PS256' } },
  },
  {
    name: 'RS512 signed as RS256',
    fault: 'signature',
    bad: { key: 'rsa', header: { alg: 'RS512' }, signed: (_, data) => signature('RS256', data, 'rsa') },
    good: { key: 'rsa', header: { alg: 'RS512' } },
  },
];

const headers: Row[] = [
  { name: 'crit', fault: 'extension', bad: header({ crit: ['exp'], exp: 1 }) },
  { name: 'an empty crit', fault: 'extension', bad: header({ crit: [] }) },
  { name: 'a crit that is null', fault: 'extension', bad: header({ crit: null }) },
  { name: 'crit of something unknown', fault: 'extension', bad: header({ crit: ['x'], x: true }) },
  { name: 'b64 with crit', fault: 'extension', bad: header({ crit: ['b64'], b64: true }), josePasses: true },
  { name: 'b64 false', fault: 'extension', bad: header({ crit: ['b64'], b64: false }) },
  { name: 'b64 without crit', fault: 'extension', bad: header({ b64: true }), josePasses: true },
  { name: 'zip', fault: 'extension', bad: header({ zip: 'DEF' }), josePasses: true },
  { name: 'a token within', fault: 'nested', bad: header({ cty: 'JWT' }), josePasses: true },
  { name: 'enc', fault: 'nested', bad: header({ enc: 'A256GCM' }), josePasses: true },
  { name: 'no type', fault: 'typ', bad: header({ typ: undefined }), josePasses: true },
  {
    name: 'the type JWT, where at+jwt is used',
    fault: 'typ',
    bad: header({ typ: 'JWT' }),
    good: ofSolo(),
    josePasses: true,
  },
  { name: 'a proof of DPoP', fault: 'typ', bad: header({ typ: 'dpop+jwt' }), josePasses: true },
  { name: 'a logout token by its type', fault: 'typ', bad: header({ typ: 'logout+jwt' }), josePasses: true },
  { name: 'a security event by its type', fault: 'typ', bad: header({ typ: 'secevent+jwt' }), josePasses: true },
  {
    name: 'a type that begins well',
    fault: 'typ',
    bad: header({ typ: 'at+jwt+x' }),
    good: header({ typ: 'AT+JWT' }),
    josePasses: true,
  },
  {
    name: 'application/ twice',
    fault: 'typ',
    bad: header({ typ: 'application/application/at+jwt' }),
    good: header({ typ: 'application/at+jwt' }),
    josePasses: true,
  },
  { name: 'a space behind the type', fault: 'typ', bad: header({ typ: 'at+jwt ' }), josePasses: true },
  { name: 'a type that is a list', fault: 'typ', bad: header({ typ: ['at+jwt'] }), josePasses: true },
  { name: 'no key id, and several keys', fault: 'no_kid', bad: header({ kid: undefined }), good: ofSolo() },
  {
    name: 'no key id, and only one key that it could be',
    fault: 'no_kid',
    bad: { key: 'ed', header: { alg: 'EdDSA', kid: undefined } },
    good: { key: 'ed', header: { alg: 'EdDSA' } },
    josePasses: true,
  },
  { name: 'a key id that is a number', fault: 'kid', bad: header({ kid: 1 }) },
  { name: 'a key id that is null', fault: 'kid', bad: header({ kid: null }) },
  { name: 'a key id that is an object', fault: 'kid', bad: header({ kid: {} }) },
  { name: 'an empty key id', fault: 'kid', bad: header({ kid: '' }) },
  { name: 'a key id with a NUL', fault: 'kid', bad: header({ kid: 'ec\0' }) },
  { name: 'a key id that is too long', fault: 'kid', bad: header({ kid: 'x'.repeat(256) }) },
  { name: 'a path for a key id', fault: 'no_key', bad: header({ kid: '../../dev/null' }) },
  { name: 'SQL for a key id', fault: 'no_key', bad: header({ kid: "ec' OR '1'='1" }) },
  { name: 'a key id in upper case', fault: 'no_key', bad: header({ kid: 'EC' }) },
  { name: 'a key id of Object', fault: 'no_key', bad: header({ kid: '__proto__' }) },
  { name: 'a key of another issuer', fault: 'no_key', bad: { key: 'strict' }, good: ofStrict() },
  { name: 'a key for encryption', fault: 'no_key', bad: header({ kid: 'for-encryption' }) },
  { name: 'a key to sign with', fault: 'no_key', bad: header({ kid: 'to-sign' }) },
  { name: 'a key whose private half was published', fault: 'no_key', bad: header({ kid: 'published' }) },
  { name: 'a shared key of the set', fault: 'no_key', bad: header({ kid: 'oct' }) },
  {
    name: 'an RSA key of 1024 bits',
    fault: 'no_key',
    bad: { key: 'weak', header: { alg: 'RS256' } },
    good: { key: 'rsa', header: { alg: 'RS256' } },
  },
  { name: 'a key id that two keys have', fault: 'no_key', bad: header({ kid: 'twice' }) },
  {
    name: 'a key that the token brings (jwk)',
    fault: 'signature',
    bad: { key: 'stranger', header: { kid: 'ec', jwk: otherJwk } },
    good: header({ jwk: otherJwk }),
  },
  {
    name: 'a key that the token brings, under a name of its own',
    fault: 'no_key',
    bad: { key: 'stranger', header: { jwk: otherJwk } },
  },
  {
    name: 'keys elsewhere (jku)',
    fault: 'signature',
    bad: { key: 'stranger', header: { kid: 'ec', jku: 'https://evil.example.org/jwks' } },
    good: header({ jku: 'https://evil.example.org/jwks' }),
  },
  {
    name: 'a certificate elsewhere (x5u)',
    fault: 'signature',
    bad: { key: 'stranger', header: { kid: 'ec', x5u: 'https://evil.example.org/pem' } },
    good: header({ x5u: 'https://evil.example.org/pem' }),
  },
  {
    name: 'a certificate that the token brings (x5c)',
    fault: 'signature',
    bad: { key: 'stranger', header: { kid: 'ec', x5c: ['MIIB'] } },
    good: header({ x5c: ['MIIB'] }),
  },
];

const signatures: Row[] = [
  { name: 'another key’s signature', fault: 'signature', bad: { key: 'stranger', header: { kid: 'ec' } } },
  { name: 'a signature of nothing but zeros', fault: 'signature', bad: { signed: () => Buffer.alloc(64) } },
  { name: 'a signature that is cut', fault: 'signature', bad: { signed: (s) => s.subarray(0, 63) } },
  {
    name: 'a signature with a byte more',
    fault: 'signature',
    bad: { signed: (s) => Buffer.concat([s, Buffer.alloc(1)]) },
  },
  { name: 'a signature of one byte', fault: 'signature', bad: { signed: () => Buffer.alloc(1) } },
  {
    name: 'one bit of the signature',
    fault: 'signature',
    bad: { signed: (s) => Buffer.from(s.map((b, i) => (i === 9 ? b ^ 1 : b))) },
  },
  {
    name: 'the signature of other claims',
    fault: 'signature',
    bad: { claims: { scope: 'admin' }, signed: () => signature('ES256', 'e30.e30', 'ec') },
    good: claims({ scope: 'admin' }),
  },
  {
    name: 'more scopes, and the signature of before',
    fault: 'signature',
    bad: {
      token: part(1, (p) =>
        Buffer.from(Buffer.from(p, 'base64url').toString().replace('system:read', 'admin      ')).toString('base64url'),
      ),
    },
  },
];

const NEAR_ISSUERS: [string, unknown][] = [
  ['a slash at the end', `${HOME}/`],
  ['http', HOME.replace('https', 'http')],
  ['upper case in the host', HOME.replace('id.', 'ID.')],
  ['upper case in the path', HOME.replace('tenant', 'Tenant')],
  ['the usual port', HOME.replace('.org', '.org:443')],
  ['another port', HOME.replace('.org', '.org:8443')],
  ['a dot behind the host', HOME.replace('.org', '.org.')],
  ['a name before the host', HOME.replace('id.', 'x@id.')],
  ['a path more', `${HOME}/x`],
  ['a path less', HOME.replace('/tenant', '')],
  ['a dot in the path', HOME.replace('/tenant', '/./tenant')],
  ['a letter of the path escaped', HOME.replace('tenant', '%74enant')],
  ['a query', `${HOME}?x`],
  ['a fragment', `${HOME}#`],
  ['a space behind it', `${HOME} `],
  ['a NUL behind it', `${HOME}\0`],
  ['a letter that looks the same', HOME.replace('e', 'е')],
  ['a host that begins the same', HOME.replace('.org', '.org.evil.example')],
  ['a list of it', [HOME]],
  ['null', null],
  ['an object', { iss: HOME }],
  ['nothing in it', ''],
];
const NEAR_AUDIENCES: [string, unknown][] = [
  ['another server', 'https://other.example.org/mcp'],
  ['a client’s id', 'a-client'],
  ['the issuer', HOME],
  ['a slash at the end', `${RESOURCE}/`],
  ['http', RESOURCE.replace('https', 'http')],
  ['upper case in the host', RESOURCE.replace('deck', 'Deck')],
  ['upper case in the path', RESOURCE.replace('mcp', 'MCP')],
  ['the usual port', RESOURCE.replace('.org', '.org:443')],
  ['without its path', RESOURCE.replace('/mcp', '')],
  ['a path more', `${RESOURCE}/x`],
  ['a query', `${RESOURCE}?x`],
  ['a fragment', `${RESOURCE}#x`],
  ['a space behind it', `${RESOURCE} `],
  ['a star', '*'],
  ['two in one text', `${RESOURCE} https://other.example.org`],
  ['nothing in it', ''],
  ['an empty list', []],
  ['a list in a list', [[RESOURCE]]],
  ['a number', 1],
  ['null', null],
  ['an object', { [RESOURCE]: true }],
  ['a second audience of another issuer’s entry', [RESOURCE, 'api://deckhand']],
];
const BAD_SUBJECTS: [string, unknown][] = [
  ['empty', ''],
  ['nothing but spaces', '   '],
  ['a number', 7],
  ['null', null],
  ['a list', ['alice']],
  ['an object', { sub: 'alice' }],
  ['a NUL', 'alice\0'],
  ['a line break', 'alice\nroot'],
  ['an escape of the terminal', 'alice\u001b[2K'],
  ['a control character of C1', 'alice\u009b'],
  ['letters that turn round', 'alice\u202etoor'],
  ['a space of no width', 'ali\u200bce'],
  ['half of a character', 'alice\ud800'],
  ['a line end of Unicode', 'alice\u2028'],
  ['a space before it', ' alice'],
  ['a space behind it', 'alice '],
  ['256 characters', 'x'.repeat(256)],
];

const names: Row[] = [
  { name: 'no issuer', fault: 'missing', bad: claims({ iss: undefined }) },
  ...NEAR_ISSUERS.map(
    ([what, iss]): Row => ({ name: `the issuer with ${what}`, fault: 'issuer', bad: claims({ iss }) }),
  ),
  {
    name: 'another issuer of ours, with a key of this one',
    fault: 'no_key',
    bad: claims({ iss: STRICT, email_verified: true, amr: ['mfa'] }),
    good: ofStrict(),
  },
  { name: 'no audience', fault: 'missing', bad: claims({ aud: undefined }) },
  ...NEAR_AUDIENCES.map(
    ([what, aud]): Row => ({
      name: `the audience: ${what}`,
      ...(what.startsWith('a second') ? { josePasses: true as const } : {}),
      fault: 'audience',
      bad: claims({ aud }),
      good: claims({ aud: [RESOURCE] }),
    }),
  ),
  {
    name: 'ours and one that nobody named',
    fault: 'audience',
    bad: ofStrict({ aud: [RESOURCE, 'https://other.example.org'] }),
    good: ofStrict({ aud: [RESOURCE, 'api://deckhand'] }),
    josePasses: true,
  },
  { name: 'no subject', fault: 'missing', bad: claims({ sub: undefined }), josePasses: true },
  ...BAD_SUBJECTS.map(
    ([what, sub]): Row => ({
      name: `the subject: ${what}`,
      fault: 'subject',
      bad: claims({ sub }),
      good: claims({ sub: 'Zoë O’Neill|x=1:*' }),
      josePasses: true,
    }),
  ),
];

const S = START_S;
const times: Row[] = [
  { name: 'no end', fault: 'missing', bad: claims({ exp: undefined }), josePasses: true },
  { name: 'an end that is a text', fault: 'types', bad: claims({ exp: String(S + 600) }) },
  { name: 'an end that is null', fault: 'types', bad: claims({ exp: null }) },
  { name: 'an end that is a list', fault: 'types', bad: claims({ exp: [S + 600] }) },
  {
    name: 'an end that is past by 30 s',
    fault: 'expired',
    bad: claims({ exp: S - 30, iat: S - 90 }),
    good: claims({ exp: S - 29, iat: S - 90 }),
  },
  { name: 'an end of 1970', fault: 'expired', bad: claims({ exp: 1, iat: 0 }) },
  { name: 'an end before 1970', fault: 'expired', bad: claims({ exp: -1, iat: S }) },
  {
    name: 'an end without end',
    fault: 'times',
    bad: { claimsText: (t) => t.replace(/"exp":\d+/, '"exp":1e999') },
    josePasses: true,
  },
  { name: 'an end in milliseconds', fault: 'times', bad: claims({ exp: (S + 600) * 1_000 }), josePasses: true },
  {
    name: 'an end before the beginning',
    josePasses: true,
    fault: 'times',
    bad: claims({ exp: S + 5, iat: S + 10 }),
    good: claims({ exp: S + 15, iat: S + 10 }),
  },
  { name: 'an end in ten years', fault: 'lifetime', bad: claims({ exp: S + 315_360_000 }), josePasses: true },
  {
    name: 'a second more than it may live',
    fault: 'lifetime',
    bad: ofStrict({ iat: S, exp: S + 3_601 }),
    good: ofStrict({ iat: S, exp: S + 3_600 }),
    josePasses: true,
  },
  { name: 'no time of issue', fault: 'missing', bad: claims({ iat: undefined }), josePasses: true },
  { name: 'a time of issue that is a text', fault: 'types', bad: claims({ iat: String(S) }) },
  { name: 'a time of issue that is null', fault: 'types', bad: claims({ iat: null }) },
  {
    name: 'issued in 31 s',
    fault: 'future',
    bad: claims({ iat: S + 31 }),
    good: claims({ iat: S + 30 }),
    josePasses: true,
  },
  {
    name: 'issued next year',
    fault: 'future',
    bad: claims({ iat: S + 31_536_000, exp: S + 31_537_000 }),
    josePasses: true,
  },
  {
    name: 'issued too long ago',
    fault: 'old',
    bad: claims({ iat: S - 86_431 }),
    good: claims({ iat: S - 80_000, exp: S + 6_000 }),
    josePasses: true,
  },
  { name: 'issued before 1970', fault: 'old', bad: claims({ iat: -1 }), josePasses: true },
  { name: 'valid in 31 s', fault: 'early', bad: claims({ nbf: S + 31 }), good: claims({ nbf: S + 30 }) },
  { name: 'a beginning that is a text', fault: 'types', bad: claims({ nbf: String(S) }), good: claims({ nbf: S }) },
  { name: 'a beginning that is null', fault: 'types', bad: claims({ nbf: null }) },
  {
    name: 'a beginning behind the end',
    fault: 'times',
    bad: claims({ nbf: S + 20, exp: S + 20 }),
    good: claims({ nbf: S + 19, exp: S + 20 }),
  },
  {
    name: 'a beginning before 1970',
    fault: 'times',
    bad: claims({ nbf: -5 }),
    good: claims({ nbf: 0 }),
    josePasses: true,
  },
];

const kinds: Row[] = [
  ...['nonce', 'at_hash', 'c_hash', 's_hash', 'auth_hash'].map(
    (name): Row => ({
      name: `an ID token, by its ${name}`,
      fault: 'id_token',
      bad: ofSolo({ [name]: 'x' }),
      good: ofSolo({ auth_time: S - 20, acr: '1' }),
      josePasses: true,
    }),
  ),
  ...['ID', 'Refresh', 'Offline', 'Logout'].map(
    (typ): Row => ({
      name: `the claim typ ${typ}`,
      fault: 'id_token',
      bad: ofSolo({ typ }),
      good: ofSolo({ typ: 'Bearer' }),
      josePasses: true,
    }),
  ),
  {
    name: 'the claim token_use id',
    fault: 'id_token',
    bad: ofSolo({ token_use: 'id' }),
    good: ofSolo({ token_use: 'access' }),
    josePasses: true,
  },
  {
    name: 'a logout token',
    fault: 'logout',
    bad: ofSolo({ events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }),
    good: ofSolo(),
    josePasses: true,
  },
  { name: 'events that are null', fault: 'logout', bad: ofSolo({ events: null }), good: ofSolo(), josePasses: true },
  { name: 'bound to a DPoP key', fault: 'bound', bad: claims({ cnf: { jkt: 'x' } }), josePasses: true },
  { name: 'bound to a certificate', fault: 'bound', bad: claims({ cnf: { 'x5t#S256': 'x' } }), josePasses: true },
  { name: 'bound to nothing', fault: 'bound', bad: claims({ cnf: null }), josePasses: true },
  {
    name: 'lacks a claim that is required',
    fault: 'required',
    bad: ofStrict({ email_verified: undefined }),
    good: ofStrict(),
    josePasses: true,
  },
  {
    name: 'a required claim with another value',
    fault: 'required',
    bad: ofStrict({ email_verified: false }),
    good: ofStrict({ email_verified: 'true' }),
    josePasses: true,
  },
  {
    name: 'a required value in upper case',
    fault: 'required',
    bad: ofStrict({ email_verified: 'True' }),
    good: ofStrict(),
    josePasses: true,
  },
  {
    name: 'a required value that is not in the list',
    fault: 'required',
    bad: ofStrict({ amr: ['pwd'] }),
    good: ofStrict({ amr: 'mfa' }),
    josePasses: true,
  },
  {
    name: 'a required value as part of a text',
    fault: 'required',
    bad: ofStrict({ amr: 'pwd mfa' }),
    good: ofStrict(),
    josePasses: true,
  },
  {
    name: 'a required claim within another',
    fault: 'required',
    bad: ofStrict({ org: { unit: 'sales' } }),
    good: ofStrict({ org: undefined, 'org.unit': 'ops' }),
    josePasses: true,
  },
  {
    name: 'a required claim within a list',
    fault: 'required',
    bad: ofStrict({ org: [{ unit: 'ops' }] }),
    good: ofStrict(),
    josePasses: true,
  },
];

export const ROWS: Row[] = [...form, ...json, ...algorithms, ...headers, ...signatures, ...names, ...times, ...kinds];
