/** For vi.mock of node:timers/promises: apart from whatever imports the tools, which import that. */
/** A second, or the window of diagnose slow, passes only on the fakes' own clocks. */
export const noWaiting = async (original: () => Promise<typeof import('node:timers/promises')>) => {
  const real = await original();
  const setTimeout = (ms: number, value: unknown, o: object) =>
    ms === 1_000 || ms === 1_500 ? Promise.resolve(value) : real.setTimeout(ms, value, o);
  return { ...real, setTimeout };
};
