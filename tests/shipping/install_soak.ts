/** Each Debian by each container manager: installed, up and down, and away again (install_lab.ts). For `npm run soak install`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootDebian, type How, type Suite } from './debian.ts';
import { allowManyCalls, exposure, hangs, type Life, makeReleases, paths, share, upAndDown } from './install_lab.ts';
import { VERSION } from './releases.ts';

const WHERE: [Suite, How][] = [
  ['trixie', 'nspawn'],
  ['trixie', 'lxc'],
  ['bookworm', 'nspawn'],
  ['bookworm', 'lxc'],
];
const NUMBER = { bookworm: 'Debian 12', trixie: 'Debian 13' };

export interface Soaked {
  where: string;
  life: Life;
  installMs: number;
  /** Of the unit alone. */
  exposure: number;
  left: string[];
}

export async function installSoak(rounds: number): Promise<Soaked[]> {
  const folder = mkdtempSync(join(tmpdir(), 'deckhand-releases-'));
  const out: Soaked[] = [];
  try {
    const { names, later } = await makeReleases(folder, rounds);
    for (const [suite, how] of WHERE) {
      const debian = await bootDebian(suite, how);
      try {
        share(debian, folder);
        const before = await paths(debian);
        const from = Date.now();
        await debian.run(['sh', '/share/release/install.sh', '--from', `/share/release/${names[VERSION]}`], {
          ms: 180_000,
        });
        const installMs = Date.now() - from;
        const score = await exposure(debian);
        await allowManyCalls(debian);
        await hangs(debian);
        const life = await upAndDown(debian, later, names);
        await debian.run(['deckhand', 'service', 'uninstall', '--purge', '--yes'], { ms: 180_000 });
        const left = (await paths(debian)).filter(
          (p) =>
            !before.includes(p) && !/^\/etc\/(?:(?:sysusers|tmpfiles)\.d|(?:passwd|group|shadow|gshadow)-)$/.test(p),
        );
        out.push({ where: `${NUMBER[suite]}, ${how}`, life, installMs, exposure: score, left });
        process.stderr.write(`  ${NUMBER[suite]}, ${how}: ${JSON.stringify(life.seen)}\n`);
      } finally {
        await debian.close();
      }
      const still = debian.left();
      if (still.length > 0) throw new Error(`left: ${still.join(', ')}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return out;
}
