// Loaded into the server under test: how long its event loop stood still, told when it ends.
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

if (process.env.SOAK_LOOP && process.argv.includes('serve')) {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  process.on('exit', () => {
    const ms = (ns) => Math.round(ns / 1e4) / 100;
    const said = { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) };
    writeFileSync(process.env.SOAK_LOOP, JSON.stringify(said));
  });
}
