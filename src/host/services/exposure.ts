/** What `systemd-analyze security` prints of one unit: the score in its last line, and what weighs most. Pure. */

export interface Exposure {
  score: number;
  worst: { name: string; weight: number; why: string }[];
}

const MOST = 8;

/** As a table, which all versions print alike: mark, setting, description, weight. */
export function parseExposure(stdout: string): Exposure | null {
  const score = /Overall exposure level for \S+: (\d{1,2}(?:\.\d+)?)/.exec(stdout)?.[1];
  if (score === undefined) return null;
  const worst = stdout.split('\n').flatMap((line) => {
    const [, name, why, weight] = /^(?:✗|-|\W)?\s*(\S+)\s{2,}(\S.*?)\s{2,}(\d(?:\.\d+)?)\s*$/u.exec(line) ?? [];
    return name && why && weight ? [{ name, why, weight: Number(weight) }] : [];
  });
  return { score: Number(score), worst: worst.sort((a, b) => b.weight - a.weight).slice(0, MOST) };
}
