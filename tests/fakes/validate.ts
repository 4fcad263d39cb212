/** A host on which nobody knows how any file should look. */
import type { ValidateHost } from '../../src/core/validate.ts';

export const fakeValidate = (over: Partial<ValidateHost> = {}): ValidateHost => ({
  proposed: async () => null,
  inPlaceBy: async () => null,
  inPlace: async () => ({ by: 'nobody', result: 'unknown', why: 'nobody looks at it', line: null }),
  alone: (_path, work) => work(),
  ...over,
});
