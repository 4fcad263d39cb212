/** Installs, upgrades or goes back on the machine of service_bench.ts, and is killed before its n-th step: `ROOT N VERB WORD`. */
import { install, upgrade } from '../../src/setup/service/install.ts';
import { rollback } from '../../src/setup/service/rollback.ts';
import { uninstall } from '../../src/setup/service/uninstall.ts';
import { bench } from './service_bench.ts';

const [root = '', at = '', verb = '', word = '', bad = ''] = process.argv.slice(2);
let step = 0;
const { m } = bench(root, {
  bad: bad.split(',').filter(Boolean),
  before: () => {
    if (++step === Number(at)) process.kill(process.pid, 'SIGKILL');
  },
});
const say = { step() {}, line() {} };
const config = async () => ({ text: '127.0.0.1:7070', set: false });
try {
  if (verb === 'install')
    await install(m, { own: word, allow: ['ping'], listen: null, config, dry: false, start: true, say });
  else if (verb === 'upgrade')
    await upgrade(m, { from: word, sha256: undefined, downgrade: false, dry: false, config, say });
  else if (verb === 'rollback') await rollback(m, { to: undefined, restoreStore: false, config, say });
  else await uninstall(m, { purge: false, say });
  process.stdout.write(`${step}\n`);
} catch (error) {
  process.stdout.write(`${step} ${(error as Error).message}\n`);
  process.exitCode = 1;
}
