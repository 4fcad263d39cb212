/**
 * `npm run mutate`: patches that break the door, each in a copy of the tree. Each must turn a test red; the unbroken copy
 * must be green, or nothing is proven. Red is a test that failed: a run that came to no end, or to no test at all, proves nothing
 * either. `npm run mutate -- WORDS` tries those whose name has these words. What the tests of the door are worth is decided here, not
 * in them.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Mutation {
  what: string;
  file: string;
  find: string;
  put: string;
  /** Where it must be noticed; absent: in tests/policy. */
  tests?: string;
}

const door = 'src/policy/pipeline.ts';
const rights = 'src/policy/authorize.ts';
const engine = 'src/policy/execute.ts';
const change = 'src/policy/change.ts';
const wayBack = 'src/policy/undo.ts';
const leaves = 'src/policy/shape.ts';
const asking = 'src/policy/approve.ts';
const rules = 'src/policy/rules.ts';
const deciding = 'src/policy/deciding.ts';
const links = 'src/policy/links.ts';
const page = 'src/edge/approvals.ts';
const pageTests = 'tests/edge/approvals.test.ts';
const tailnet = 'src/policy/tailnet.ts';
const oauth = (part: string) => `src/policy/oauth/${part}.ts`;

const access = 'src/policy/access.ts';
const bounds = 'src/policy/bounds.ts';
const behind = 'src/policy/bounded.ts';
const results = 'src/policy/results.ts';

export const MUTATIONS: readonly Mutation[] = [
  {
    what: 'a head is taken for the one before it, whatever its values are',
    file: 'src/edge/heads.ts',
    find: 'if (raw[i] !== before[i] && i !== lengthAt && i !== nameAt) return false;',
    put: 'if (raw[i] !== before[i] && i % 2 === 0) return false;',
    tests: 'tests/edge/heads.test.ts',
  },
  {
    what: 'a credential is found good once for each connection',
    file: 'src/edge/http.ts',
    find: 'const visit: Visit = { ...from, recorded: false };',
    put: 'const visit = from as Visit;',
    tests: 'tests/edge/heads.test.ts',
  },
  {
    what: 'what was kept under a handle of one caller is answered to the next',
    file: leaves,
    find: 'if (more === undefined && call.view === undefined) whole.said = made;',
    put: 'if (call.view === undefined) whole.said = made;',
  },
  {
    what: 'a deny of a target is overheard',
    file: access,
    find: "if (item.target?.(target, 'deny')) return",
    put: "if (item.target?.(target, 'deny') && tools.length > 9) return",
  },
  {
    what: 'one grant has the scopes and another one lets the target through',
    file: access,
    find: 'if (holding.some((g) => shut(g, tools, targets) === null)) return null;',
    put: 'if (holding.length > 0 && held.grants.some((g) => shut(g, tools, targets) === null)) return null;',
  },
  {
    what: 'an allow bounds no targets',
    file: access,
    find: 'return targets.find((is) => !letsTarget(source, is))?.kind ?? null;',
    put: 'return targets.find((is) => !letsTarget(source, is) && is.all)?.kind ?? null;',
  },
  {
    what: 'policy is not asked about the arguments',
    file: door,
    find: '      mayCall(who, tool, { scopes, targets, undoes: as?.tool }, p);\n',
    put: '',
  },
  {
    what: 'a kept result serves whatever policy says now',
    file: results,
    find: ' && access.handle(who, row.tool, row)',
    put: '',
  },
  {
    what: 'equal reads are shared across bounds',
    file: engine,
    find: '${boundsKey(job, p)} ${job.canonical}`',
    put: '${boundsKey(job, p) && ""} ${job.canonical}`',
  },
  {
    what: 'an id of a container goes for its name',
    file: behind,
    find: '(await containers.inspect(ref, to)).name !== ref',
    put: "(await containers.inspect(ref, to)).name === ''",
  },
  {
    what: 'a denied network is reached by name',
    file: bounds,
    find: "return !there.some((is) => no.some((item) => item.target?.(is, 'deny')));",
    put: 'return there.length >= 0;',
  },
  {
    what: 'an expired or revoked principal is let in',
    file: rights,
    find: 'if (!who || !current(who, p.clock.now()))\n    throw',
    put: 'if (!who)\n    throw',
  },
  {
    what: 'the least scope is not asked for',
    file: rights,
    find: '  need(who, leastScopes(tool), tool);\n',
    put: '',
  },
  {
    what: 'a tool whose arguments decide is let in without any of its scopes',
    file: rights,
    find: '  if (entry) need(who, [entry], tool);\n',
    put: '',
  },
  {
    what: 'mode read-only is forgotten',
    file: rights,
    find: "if (mode === 'read-only')",
    put: "if (mode === ('never' as never))",
  },
  {
    what: 'the scopes of these arguments are not asked for',
    file: door,
    find: '      need(who, scopes, tool);\n',
    put: '',
  },
  {
    what: 'arguments are looked at before the rate',
    file: door,
    find: 'const waitMs = p.rate.take(who.id, tool.limits?.cost ?? 1, own.callsPerMinute);\n    if (waitMs !== null) throw tooMany(waitMs);',
    put: '',
  },
  {
    what: 'a redacted mark is written back',
    file: door,
    find: 'if (!readsOnly(risk) && hasMark(input))',
    put: 'if (hasMark(risk))',
  },
  {
    what: 'a refusal to approve is overheard',
    file: engine,
    find: "if (verdict.verdict === 'refused') throw",
    put: "if (verdict.verdict === ('never' as never)) throw",
  },
  {
    what: 'dry_run runs',
    file: engine,
    find: 'if ((job.input as { dry_run?: boolean }).dry_run)',
    put: 'if (false as boolean)',
  },
  { what: 'the intent comes after the effect', file: change, find: '{ durable: true },', put: '{},' },
  {
    what: 'the state may move between preview and effect',
    file: change,
    find: 'if (now.digest !== approved.preview.digest)',
    put: 'if (false as boolean)',
  },
  {
    what: 'no lock is taken',
    file: change,
    find: 'const lock = p.locks.acquire(key);',
    put: 'const lock = key ? { [Symbol.dispose]() {} } : p.locks.acquire(key);',
  },
  {
    what: 'a deaf handler is waited for',
    file: engine,
    find: "return { raw: await raced(work, d.signal), status: 'done' };\n\n",
    put: "return { raw: await work, status: 'done' };\n\n",
  },
  { what: 'a change stops when its caller leaves half way', file: change, find: '        d.commit();\n', put: '' },
  {
    what: 'equal reads are shared across rights',
    file: engine,
    find: '`${tool.name} ${rightsOf(job.who.scopes)} ${boundsKey(',
    put: '`${tool.name} ${rightsOf(job.who.scopes) && ""} ${boundsKey(',
  },
  {
    what: 'a change is tried twice',
    file: change,
    find: '    const changed = await change.apply(',
    put: '    await change.apply(job.input, { ...context(job, d.signal, e, p, report), commit() {} }).catch(() => {});\n    const changed = await change.apply(',
  },
  {
    what: 'a change is made before its receipt is on the disk',
    file: change,
    find: '        receipt.prepare(revert);\n',
    put: '',
  },
  {
    what: 'an undo needs no rights of the change',
    file: door,
    find: 'const scopes = as?.scopes ?? scopesOfCall(tool, input);',
    put: 'const scopes = scopesOfCall(tool, input);',
  },
  {
    what: 'anybody may undo what they have the rights for',
    file: wayBack,
    find: "(row.principal === who.id || holds(who.scopes, 'admin')) &&",
    put: "(row.principal !== '' || holds(who.scopes, 'admin')) &&",
  },
  {
    what: 'a receipt may be used twice',
    file: wayBack,
    find: 'if (!p.receipts.claimUndo(id, { principal: who.id, call })) throw already(mine(id));',
    put: 'p.receipts.claimUndo(id, { principal: who.id, call });',
  },
  {
    what: 'a yes holds for any arguments',
    file: asking,
    find: 'inputHash: o.audit.digest(request.input),',
    put: "inputHash: o.audit.digest(''),",
  },
  {
    what: 'a yes holds for any state',
    file: asking,
    find: 'digest: request.preview.digest,',
    put: "digest: '',",
  },
  {
    what: 'a yes is never used up',
    file: asking,
    find: "store.use(binding, (a) => life('used', a, { call: request.from.id })) !== null",
    put: 'binding !== null',
  },
  {
    what: 'a client may answer what destroys',
    file: asking,
    find: "o.client === 'change' && request.risk === 'change' &&",
    put: "o.client === 'change' &&",
  },
  {
    what: 'a client may answer any question',
    file: asking,
    find: 'answer.handle !== approval.id',
    put: "answer.handle === 'never'",
  },
  {
    what: 'a rule lets through what destroys',
    file: rules,
    find: "  if (rule.decide === 'allow' && asked.risk !== 'change') return false;\n",
    put: '',
  },
  {
    what: 'the first rule goes before a deny',
    file: rules,
    find: "fitting.find(({ rule }) => rule.decide === 'deny') ?? fitting[0]",
    put: 'fitting[0]',
  },
  {
    what: 'a terminal answers for others',
    file: deciding,
    find: "if (found && approver.startsWith('tty:') &&",
    put: "if (found && approver === 'nobody' &&",
  },
  {
    what: 'no closing record on failure',
    file: door,
    find: "  p.audit.append('call', closing(call, facts, outcome, ms, p));",
    put: "  if (outcome.status !== 'failed') p.audit.append('call', closing(call, facts, outcome, ms, p));",
  },
  {
    what: 'errors keep their secrets',
    file: door,
    find: 'const say = (text: string) => p.redactor.text(strip(text)).slice(0, 2_000);',
    put: 'const say = (text: string) => text;',
  },
  {
    what: 'records keep the secrets of arguments',
    file: door,
    find: 'p.redactor.deep(call.args ?? {})',
    put: '(call.args ?? {})',
  },
  {
    what: 'foreign text is not fenced',
    file: leaves,
    find: 'return person ? plain(text) : fence(',
    put: 'return person || text ? plain(text) : fence(',
  },
  {
    what: 'an answer may be of any size',
    file: leaves,
    find: 'if (bytes <= max) {',
    put: 'if (bytes >= 0) {',
  },
  {
    what: 'a burst is told at each request',
    file: 'src/policy/bursts.ts',
    find: 'if (run.count >= run.told * TENFOLD) tell(run);',
    put: 'tell(run);',
  },
  {
    what: 'headers of the tailnet are looked for where they belong, and nowhere else',
    file: 'src/policy/security.ts',
    find: "shown.listener !== 'tailnet' && shown.header(name)",
    put: "shown.listener === 'tailnet' && shown.header(name)",
  },
  {
    what: 'a login header is believed',
    file: tailnet,
    find: "return header === login || decoded(header) === login ? null : 'a login",
    put: "return header !== login || decoded(header) === login ? null : 'a login",
  },
  {
    what: 'a machine with tags may say that it is somebody',
    file: tailnet,
    find: "return header === undefined ? null : 'a login for a machine that has tags'",
    put: 'return null',
  },
  {
    what: 'a machine that says nobody’s login is let in',
    file: tailnet,
    find: "if (header === undefined) return 'no login for a machine that has a user';",
    put: 'if (header === undefined) return null;',
  },
  {
    what: 'an expired machine is let in',
    file: tailnet,
    find: 'if (whois.expired || ',
    put: 'if (',
  },
  {
    what: 'people of other tailnets are let in',
    file: tailnet,
    find: 'if (whois.shared && !rules.shared)',
    put: 'if (whois.shared && rules.shared)',
  },
  {
    what: 'whoever is of another tailnet has the name of one of this',
    file: tailnet,
    find: "`tailnet:${shared ? 'shared:' : ''}`",
    put: "`tailnet:${shared ? '' : ''}`",
  },
  {
    what: 'every process of this host has the rights of its owner',
    file: tailnet,
    find: 'if (p.guard.isSelf(whois.node))',
    put: "if (p.guard.isSelf(''))",
  },
  {
    what: 'a bad token is made good by the machine it came from',
    file: tailnet,
    find: 'if (shown.bearer !== undefined) return p.bearer(shown);',
    put: "if (shown.bearer === 'token') return p.bearer(shown);",
  },
  {
    what: 'a token of this host is good from the Internet',
    file: tailnet,
    find: "if (!('principal' in found) || found.principal.kind === 'jwt') return found;",
    put: 'if (found) return found;',
  },
  {
    what: 'a request from the Internet is taken for one of the tailnet',
    file: tailnet,
    find: 'shown.header(FUNNEL) === undefined ?',
    put: "shown.header(FUNNEL) !== 'x' ?",
  },
  {
    what: 'a role that this server does not have is given',
    file: tailnet,
    find: 'if (role !== null && exists(role))',
    put: 'if (role !== null)',
  },
  {
    what: 'a grant that was meant narrower gives the whole role',
    file: tailnet,
    find: "key === 'role' && more.length === 0 && typeof role",
    put: 'key !== undefined && typeof role',
  },
  {
    what: 'a hole in what tailscaled serves is overlooked',
    file: tailnet,
    find: 'if (trouble) return no(trouble);',
    put: '',
  },
  {
    what: 'a list of addresses is one address',
    file: 'src/policy/tailnet_headers.ts',
    find: '!/^[0-9a-f.:]{2,45}$/i.test(forwardedFor)) return null;\n  const ip = parseIp(forwardedFor);',
    put: "forwardedFor.length > 500) return null;\n  const ip = parseIp(forwardedFor.split(', ')[0] as string);",
  },
  {
    what: 'Funnel is looked for once',
    file: 'src/policy/tailnet_guard.ts',
    find: 'if (found && o.elapsed() - found.atMs < FRESH_MS)',
    put: 'if (found)',
  },
  {
    what: 'plain TCP to the socket of the tailnet is nothing',
    file: 'src/policy/tailnet_guard.ts',
    find: "if (kind === 'tcp')\n",
    put: "if (kind === ('never' as never))\n",
  },
  {
    what: 'a token may choose any algorithm',
    file: oauth('claims'),
    find: '!(issuer.algorithms as readonly string[]).includes(alg)',
    put: 'false',
  },
  {
    what: 'a token for one more audience than ours is let in',
    file: oauth('claims'),
    find: 'audience.every((one)',
    put: 'audience.some((one)',
  },
  {
    what: 'a token that is bound to a key of its holder is let in',
    file: oauth('claims'),
    find: "  if (Object.hasOwn(claims, 'cnf')) return 'bound';\n",
    put: '',
  },
  {
    what: 'a token may live as long as its issuer likes',
    file: oauth('claims'),
    find: "return exp - iat > maxAgeS ? 'lifetime' : null;",
    put: 'return null;',
  },
  {
    what: 'two texts of one token are two tokens',
    file: oauth('token'),
    find: "return bytes.toString('base64url') === text ? bytes : null;",
    put: 'return bytes;',
  },
  {
    what: 'a token is remembered without its signature',
    file: oauth('token'),
    find: 'digest(header, payload, signature)',
    put: 'digest(header, payload)',
  },
  {
    what: 'a claim may stand in a token twice',
    file: oauth('strict_json'),
    find: '      if (names.has(name)) return false;\n',
    put: '',
  },
  {
    what: 'a key that was withdrawn serves on',
    file: oauth('keys'),
    find: 'key.withdrawn = !',
    put: 'key.withdrawn = false && !',
  },
  {
    what: 'keys of an issuer that is away serve for ever',
    file: oauth('keys'),
    find: 'return !key.withdrawn && ageMs() < TIMES.keysLastMs;',
    put: 'return !key.withdrawn;',
  },
  {
    what: 'each unknown key is asked for',
    file: oauth('keys'),
    find: '    if (refreshing === null && waitMs() > 0) return Promise.resolve();\n',
    put: '',
  },
  {
    what: 'the issuer of a token is whoever stands first',
    file: oauth('index'),
    find: 'byName.get(read.payload.iss as string)',
    put: 'all[0]',
  },
  {
    what: 'what an issuer said of a token counts for ever',
    file: oauth('introspection'),
    find: '!revoked && elapsed() - saidAtMs < TIMES.activeMs',
    put: '!revoked',
  },
  {
    what: 'whoever looks at a link has decided',
    file: page,
    find: '    return { status: 200, ...(await question(asked, approval, {})) };',
    put: "    const found = await o.recognise(asked.visit, headerOf(asked.incoming));\n    if ('principal' in found) links.decide(asked.handle, found.principal, { granted: true });\n    return { status: 200, ...(await question(asked, approval, {})) };",
    tests: pageTests,
  },
  {
    what: 'a form of any page decides',
    file: 'src/edge/approvals_form.ts',
    find: 'const own = !fresh && given.length === right.length && timingSafeEqual(given, right);',
    put: 'const own = !fresh || timingSafeEqual(right, right) || given.length === 0;',
    tests: pageTests,
  },
  {
    what: 'the page of a link shows what others wrote as it is',
    file: 'src/edge/approvals_page.ts',
    find: 'const shown = (text: string) => escaped(reveal(text));',
    put: 'const shown = (text: string) => reveal(text);',
    tests: pageTests,
  },
  {
    what: 'who asked may decide by a link',
    file: links,
    find: 'if (isSelf(who, approval.principal))',
    put: "if (isSelf(who, ''))",
  },
  {
    what: 'a link lets anybody decide',
    file: links,
    find: "if (!holds(who.scopes, 'admin'))",
    put: 'if (who.scopes.size === 0)',
  },
  {
    what: 'a link is not used up',
    file: 'src/store/approval_links.ts',
    find: "  sql.run('DELETE FROM approval_links WHERE approval = ?', approval);\n",
    put: '',
  },
];

const POLICY = 'tests/policy';
/** A machine with other work needs minutes for what takes one of seconds; a test that hangs ends by its own time-out before. */
const RUN_MS = 15 * 60_000;
const root = fileURLToPath(new URL('..', import.meta.url));

function copy(): string {
  const dir = mkdtempSync(join(tmpdir(), 'deckhand-mutate-'));
  for (const part of ['src', 'tests', 'package.json', 'tsconfig.json', 'vitest.config.ts'])
    cpSync(join(root, part), join(dir, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'));
  return dir;
}

/** `red`: the test that noticed. `nothing`: why this run says neither. */
type Ran = { red: string } | { green: number } | { nothing: string };

interface Told {
  numTotalTests: number;
  testResults: { name: string; message: string; assertionResults: { status: string; fullName: string }[] }[];
}

function run(dir: string, ...tests: string[]): Ran {
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const told = join(dir, 'told.json');
  rmSync(told, { force: true });
  const { status, error } = spawnSync(
    process.execPath,
    [vitest, 'run', ...tests, '--bail=1', '--reporter=json', `--outputFile=${told}`],
    { cwd: dir, encoding: 'utf8', timeout: RUN_MS },
  );
  if (error || status === null) return { nothing: `it came to no end within ${RUN_MS / 60_000} minutes` };
  let said: Told;
  try {
    said = JSON.parse(readFileSync(told, 'utf8')) as Told;
  } catch {
    return { nothing: `vitest ended with ${status} and no report` };
  }
  for (const file of said.testResults)
    for (const test of file.assertionResults)
      if (test.status === 'failed') return { red: `${basename(file.name)}: ${test.fullName}` };
  if (status === 0 && said.numTotalTests > 0) return { green: said.numTotalTests };
  const broken = said.testResults.find((file) => file.message !== '');
  return { nothing: broken ? `${basename(broken.name)}: ${broken.message.split('\n')[0]}` : 'no test ran' };
}

/** The tests named after what is broken notice most, and soon; what they let pass goes before all tests of the room. */
function nearest(m: Mutation): string[] {
  if (m.tests) return [];
  const names = [basename(m.file, '.ts'), basename(dirname(m.file))];
  return readdirSync(join(root, POLICY))
    .filter((file) => file.endsWith('.test.ts') && names.some((name) => file.startsWith(name)))
    .map((file) => `${POLICY}/${file}`);
}

function noticed(dir: string, m: Mutation): Ran {
  const near = nearest(m);
  const soon: Ran = near.length > 0 ? run(dir, ...near) : { green: 0 };
  return 'red' in soon ? soon : run(dir, m.tests ?? POLICY);
}

function main(words: string): number {
  const chosen = MUTATIONS.filter((m) => m.what.includes(words));
  if (chosen.length === 0) {
    process.stdout.write(`No mutation has "${words}" in its name.\n`);
    return 1;
  }
  const dir = copy();
  let bad = 0;
  try {
    const whole = run(dir, ...new Set(chosen.map((m) => m.tests ?? POLICY)));
    if (!('green' in whole)) {
      const why = 'red' in whole ? whole.red : whole.nothing;
      process.stdout.write(`The tests of the door are red without any patch, so there is nothing to prove: ${why}\n`);
      return 1;
    }
    for (const m of chosen) {
      const path = join(dir, m.file);
      const was = readFileSync(path, 'utf8');
      const parts = was.split(m.find);
      if (parts.length !== 2) {
        process.stdout.write(`STALE    ${m.what}: its place in ${m.file} is there ${parts.length - 1} times\n`);
        bad++;
        continue;
      }
      writeFileSync(path, parts.join(m.put));
      const ran = noticed(dir, m);
      writeFileSync(path, was);
      if ('red' in ran) process.stdout.write(`caught   ${m.what}  <- ${ran.red}\n`);
      else {
        bad++;
        const how = 'nothing' in ran ? `UNPROVEN ${m.what}: ${ran.nothing}` : `SURVIVED ${m.what}`;
        process.stdout.write(`${how}\n`);
      }
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  process.stdout.write(`${chosen.length - bad} caught, ${bad} not\n`);
  return bad === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2).join(' '));
