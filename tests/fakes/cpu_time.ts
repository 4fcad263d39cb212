/** How much processor a piece of work took: on a busy machine the clock on the wall says how long others were let in. */
export function cpuNowMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

export function cpuMs(work: () => void): number {
  const from = cpuNowMs();
  work();
  return cpuNowMs() - from;
}
