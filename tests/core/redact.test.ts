import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRedactor, hasMark, MARK } from '../../src/core/redact.ts';
import { upTo } from '../counts.ts';
import { cpuNowMs } from '../fakes/cpu_time.ts';
import { alnum, ORDINARY, secrets } from './redact_corpus.ts';

const redactor = createRedactor({});
const planted = secrets();

/** What one would write first: exact key names, `name=value` and `name: value`. The control. */
function naive(s: string): string {
  return s.replace(/\b(password|token|secret|api_key)(\s*[=:]\s*)\S+/g, '$1$2***');
}

describe('text', () => {
  it('has a corpus worth the name', () => {
    expect(planted.length).toBeGreaterThanOrEqual(80);
    expect(ORDINARY.length).toBeGreaterThanOrEqual(60);
    for (const { text, secrets } of planted) for (const s of secrets) expect(text).toContain(s);
  });

  it.each(planted)('takes the secret out of $text', ({ text, secrets }) => {
    const out = redactor.text(text);
    for (const s of secrets) expect(out).not.toContain(s);
    expect(out).toContain('⟦redacted:');
    expect(redactor.text(out)).toBe(out);
  });

  it('leaves no long part of a secret either', () => {
    for (const { text, secrets } of planted) {
      const out = redactor.text(text);
      for (const s of secrets) {
        const parts = s.length > 8 ? [s.slice(0, 8), s.slice(-8)] : [s];
        for (const part of parts) expect(out, text).not.toContain(part);
      }
    }
  });

  it('control: a naive redactor leaks from the same corpus', () => {
    const leaked = planted.filter(({ text, secrets }) => secrets.some((s) => naive(text).includes(s)));
    expect(leaked.length).toBeGreaterThan(planted.length / 2);
  });

  it.each(ORDINARY)('leaves %s', (line) => {
    expect(redactor.text(line)).toBe(line);
  });

  it('keeps what stands around a secret', () => {
    const p = alnum(10);
    expect(redactor.text(`postgres://app:${p}@db:5432/shop`)).toBe(`postgres://app:${MARK('password')}@db:5432/shop`);
    expect(redactor.text(`mysqldump -u root -p${p} --all`)).toBe(`mysqldump -u root -p${MARK('password')} --all`);
    expect(redactor.text(`{"a":1,"password":"${p}","b":2}`)).toBe(`{"a":1,"password":"${MARK('password')}","b":2}`);
    expect(redactor.text(`-o user=b,password=${p},vers=3`)).toBe(`-o user=b,password=${MARK('password')},vers=3`);
    expect(redactor.text(`/x?token=${p}&page=2`)).toBe(`/x?token=${MARK('token')}&page=2`);
    expect(redactor.text(`curl -H "Authorization: Bearer ${p}" https://x`)).toBe(
      `curl -H "Authorization: Bearer ${MARK('authorization')}" https://x`,
    );
  });

  it('takes all of a quoted value, past quotes that are escaped in it, and nothing behind it', () => {
    const [head, tail] = [alnum(6), alnum(6)];
    expect(redactor.text(`password="${head}\\"${tail}" user="bob"`)).toBe(`password="${MARK('password')}" user="bob"`);
    // An escaped backslash is the last of the value: the quote behind it ends it.
    expect(redactor.text(`password="${head}\\\\" user="bob"`)).toBe(`password="${MARK('password')}" user="bob"`);
  });

  it('takes known values out, in every spelling, and never inside a mark', () => {
    const r = createRedactor({ values: ['s3cr ét/"x"', 'redacted', 'abc', 'a.c*d'] });
    const v = 's3cr ét/"x"';
    for (const text of [`a ${v} b`, `?q=${encodeURIComponent(v)}&`, JSON.stringify({ q: v })]) {
      expect(r.text(text)).toContain(MARK('value'));
      expect(r.text(r.text(text))).toBe(r.text(text));
    }
    expect(r.text(`x ${MARK('token')} redacted`)).toBe(`x ${MARK('token')} ${MARK('value')}`);
    // Too short to be taken out of every word; special characters stand for themselves.
    expect(r.text('abc a.c*d aXc*d')).toBe(`abc ${MARK('value')} aXc*d`);
  });
});

describe('deep', () => {
  it('decides by key, also in lists, and by the flag before a word', () => {
    const p = `${alnum(5)} ${alnum(5)}`;
    expect(redactor.deep({ password: 'x' })).toEqual({ password: MARK('password') });
    const out = redactor.deep({
      db: { dbPassword: p, port: 5432, passwords: [p, p], password_file: '/run/x' },
      Env: [`DB_PASSWORD=${p}`, 'PATH=/bin'],
      Cmd: ['app', '--password', p, '--verbose'],
      mysql: ['/usr/bin/mysql', `-p${p}`, 'shop db'],
      curl: ['curl', '-u', `bob:${p}`, 'https://x'],
      env: [{ name: 'API_TOKEN', value: p }],
      pin: { password: 123456 },
      credentials: { user: { inner: p } },
      tokens: 17,
    });
    expect(JSON.stringify(out)).not.toContain(p);
    expect(out.tokens).toBe(17);
    expect(out.pin.password).toBe(MARK('password'));
    expect(out.db.password_file).toBe('/run/x');
    expect(out.mysql).toEqual(['/usr/bin/mysql', `-p${MARK('password')}`, 'shop db']);
    expect(out.curl).toEqual(['curl', '-u', `bob:${MARK('password')}`, 'https://x']);
    expect(out.Cmd[3]).toBe('--verbose');
  });

  it('leaves the word behind a flag that names no secret, and what is no JSON text', () => {
    const p = `${alnum(5)} ${alnum(5)}`;
    const at = new Date(0);
    const bytes = new Uint8Array([1, 2]);
    const out = redactor.deep({ argv: ['app', '--output', 'my report', '--password', p], at, bytes });
    expect(out).toEqual({ argv: ['app', '--output', 'my report', '--password', MARK('password')], at, bytes });
    expect(out.at).toBe(at);
    expect(out.bytes).toBe(bytes);
  });

  it('gives every other word of a program’s arguments back as it was, also with blanks few know', () => {
    const p = alnum(10);
    const words = ['a b', 'c\td', 'e\u3000f', 'g\ue041h', 'i"j', 'k|l', ''];
    expect(redactor.deep(['mysql', `-p${p}`, ...words])).toEqual(['mysql', `-p${MARK('password')}`, ...words]);
    expect(redactor.deep(['mysql', `-p${p} x`, 'shop'])).toEqual(['mysql', `-p${MARK('password')}`, 'shop']);
    expect(redactor.deep(['curl', `-ubob b:${p}`])).toEqual(['curl', `-ubob b:${MARK('password')}`]);
  });

  it('decides the same of a name after thousands of others', () => {
    const r = createRedactor({});
    const before = r.deep({ password: 'a b', colour: 'red' });
    for (let i = 0; i < 5_000; i++) r.deep({ [`name${i}`]: 1 });
    expect(r.deep({ password: 'a b', colour: 'red' })).toEqual(before);
  });

  it('returns the same reference where nothing changed', () => {
    const clean = { a: ['x', 1, null, { b: 'mysql -u root' }], c: true };
    expect(redactor.deep(clean)).toBe(clean);
    const mixed = { clean, token: alnum(20) };
    const out = redactor.deep(mixed);
    expect(out).not.toBe(mixed);
    expect(out.clean).toBe(clean);
    expect(mixed.token).not.toContain('⟦');
  });

  it('redacts keys, keeps __proto__ a key, and leaves out what lies too deep', () => {
    const token = `gh${'p'}_${alnum(36)}`;
    expect(JSON.stringify(redactor.deep({ [token]: 1 }))).not.toContain(token);
    const proto = redactor.deep(JSON.parse(`{"__proto__":{"password":"x"}}`));
    expect(Object.keys(proto)).toEqual(['__proto__']);
    let v: unknown = token;
    for (let i = 0; i < 500; i++) v = [v];
    const out = JSON.stringify(redactor.deep(v));
    expect(out).not.toContain(token);
    expect(out).toContain('left out⟧');
  });
});

describe('never throws', () => {
  it('on what only looks like base64', () => {
    for (const auth of ['token=', 'token==', 'abcdefg', 'a=b=c=', '=====', 'abcde===', 'Zm9vOmI', 'Zm9vOmJhcg='])
      expect(() => redactor.deep({ auth, x: `auth: "${auth}"` })).not.toThrow();
  });
});

describe('hasMark', () => {
  it('finds a mark of either form at any depth, in keys too', () => {
    expect(hasMark(MARK('password'))).toBe(true);
    expect(hasMark({ a: [{ b: 'x ⟦312 lines left out⟧ y' }] })).toBe(true);
    expect(hasMark({ [`a${MARK('x')}`]: 1 })).toBe(true);
    let v: unknown = MARK('x');
    for (let i = 0; i < 100_000; i++) v = [v];
    expect(hasMark(v)).toBe(true);
  });
  it('finds none elsewhere', () => {
    for (const v of [null, undefined, 1, '', 'redacted:', '⟦', '⟦math⟧', 'left out⟧', { a: ['b'] }])
      expect(hasMark(v)).toBe(false);
  });
});

// One seed: the same cases on every machine. A change of the rules deserves a long run with others.
describe('properties', () => {
  const bits = fc.constantFrom(
    ...[
      'password',
      'token=',
      '--secret ',
      'api_key: ',
      '"',
      "'",
      '\\"',
      ' ',
      '\n',
      '=',
      ':',
      '://',
      '@',
      '&',
      '?',
      '|',
      '<',
      '>',
      ';',
      ',',
    ],
    ...[
      'Authorization: ',
      'Bearer ',
      'Cookie: ',
      'mysql -p',
      'curl -u a:',
      '-----BEGIN PRIVATE KEY-----',
      '-----END ',
      '⟦',
      '⟧',
    ],
    ...[
      MARK('password'),
      'ey',
      'Jabcdefghij.',
      'abcdef012345ABCDEF',
      'x',
      '/etc/x',
      '${A}',
      'echo ',
      ' | sudo -S',
      'identified by ',
      '{',
      '[',
    ],
  );
  const messy = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 60 }),
    fc.array(fc.oneof(bits, fc.constantFrom(...planted.map((p) => p.text))), { maxLength: 14 }).map((a) => a.join('')),
  );

  it('is idempotent', () => {
    fc.assert(
      fc.property(messy, (s) => {
        const once = redactor.text(s);
        expect(redactor.text(once)).toBe(once);
      }),
      { numRuns: upTo(3_000, 500), seed: 2026 },
    );
  });

  it('looks at nothing but the text: what makes a rule run elsewhere changes nothing here', () => {
    // Every rule runs on this line and takes nothing. A text that a rule should have run on shows by the difference.
    const awake = `${'pas tok ecr key coo uth :// --- sql url ogi mmu tif ech sk- eyj mta rer sic'.toUpperCase()} .\n.\n`;
    expect(redactor.text(awake)).toBe(awake);
    fc.assert(
      fc.property(messy, (s) => {
        expect(redactor.text(awake + s)).toBe(awake + redactor.text(s));
      }),
      { numRuns: upTo(2_000, 400), seed: 2026 },
    );
  });

  it('is idempotent on values, with known secrets', () => {
    const r = createRedactor({ values: ['password', 'token', 'abcdef012345ABCDEF', 'mysql'] });
    fc.assert(
      fc.property(fc.dictionary(messy, fc.oneof(messy, fc.array(messy))), (v) => {
        const once = r.deep(v);
        expect(r.deep(once)).toEqual(once);
      }),
      { numRuns: upTo(400, 80), seed: 2026 },
    );
  });

  it('lets no planted secret survive in any JSON', () => {
    const leaf = fc.constantFrom(...planted);
    const tree = fc.letrec<{ node: unknown; plant: (typeof planted)[number] }>((tie) => ({
      plant: leaf,
      node: fc.oneof(
        { maxDepth: 5 },
        leaf,
        fc.jsonValue({ maxDepth: 1 }),
        fc.array(tie('node'), { maxLength: 4 }),
        fc.dictionary(fc.string({ maxLength: 8 }), tie('node'), { maxKeys: 4 }),
      ),
    })).node;
    const isPlanted = (v: unknown): v is (typeof planted)[number] => planted.includes(v as (typeof planted)[number]);
    fc.assert(
      fc.property(tree, (t) => {
        const hidden: string[] = [];
        const json = JSON.parse(
          JSON.stringify(t, (_, v) => {
            if (!isPlanted(v)) return v;
            hidden.push(...v.secrets);
            return v.text;
          }) ?? 'null',
        );
        const strings: string[] = [];
        JSON.stringify(redactor.deep(json), (k, v) => {
          strings.push(k);
          if (typeof v === 'string') strings.push(v);
          return v;
        });
        const all = strings.join('\n');
        for (const s of hidden) expect(all).not.toContain(s);
      }),
      { numRuns: upTo(500, 100), seed: 2026 },
    );
  });
});

describe('time', () => {
  const rows: [string, string][] = [
    ['one letter', 'a'],
    ['name characters', 'key'],
    ['names', 'key='],
    ['sure names that come to nothing', 'token:/etc/'],
    ['quotes', 'key="'],
    ['escaped quotes', 'password=\\"'],
    ['messages', 'password: not '],
    ['blocks', 'key: |\n '],
    ['sure blocks', 'secret: >\n\n'],
    ['elements', '<key>'],
    ['URLs', '://a:'],
    ['URLs with @', '://a@:'],
    ['URLs in one word', 'http://x:b/@'],
    ['authorization', 'authorization: '],
    ['bearer', 'bearer aaaaaaaaaaaa '],
    ['PEM', '-----BEGIN PRIVATE KEY-----'],
    ['PEM, ended elsewhere', '-----BEGIN PRIVATE KEY-----\n-----END '],
    ['commands', 'mysql -p '],
    ['commands in one line', 'curl -u a'],
    ['pipes', 'echo a '],
    ['SQL', 'identified by identified with a '],
    ['JWT', 'eyJaaaaaaaaa'],
    ['JWT dots', 'eyJaaaaaaaaa.aaaa'],
    ['Discord', 'MTAaaaaaaaaaaaaaaaaaaaaaaaaa.'],
    ['digits', '1234567890:A'],
    ['hashes', '$6$'],
    ['dsn', 'a.a.a.a@tcp'],
    ['marks', '⟦redacted:'],
    ['cookies', 'cookie: a; '],
    ['brackets', '${{'],
    ['marks in URLs', '://⟦'],
    ['lists', 'password: [a'],
    ['lists over lines', 'passwords:\n - a\n - b: c\n'],
    ['phrases', 'password=a b c d e\n'],
    ['PEM ends', 'abcdefgh\n-----END PRIVATE KEY-----\n'],
    ['equal lines above a PEM end', `${'abcdefgh\n'.repeat(20)}-----END PRIVATE KEY-----\n`],
  ];
  const took = (text: string): number => {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 3; i++) {
      const from = cpuNowMs();
      redactor.text(text);
      best = Math.min(best, cpuNowMs() - from);
    }
    return best;
  };
  it.each(rows)(
    'grows with the text and no faster: %s',
    (_, bit) => {
      const text = (n: number) => `password token mysql http:// echo ident ${bit.repeat(Math.ceil(n / bit.length))}`;
      took(text(25_000));
      let small = took(text(25_000));
      let large = took(text(100_000));
      // Noise only ever adds: while the best of both is beyond the bound, each is given more chances to show what it takes.
      for (let more = 0; more < 10 && large >= small * 9 + 8; more++) {
        small = Math.min(small, took(text(25_000)));
        large = Math.min(large, took(text(100_000)));
      }
      // Quadratic would be 16; the constant forgives a busy machine on times near nothing.
      expect(large).toBeLessThan(small * 9 + 8);
      // Where `npm run coverage` counts each call, all of it takes twenty times as long.
    },
    300_000,
  );
});
