/** The checks of files, loaded when the first file is to be changed: no start pays for them. */
import type { ValidateHost } from '../core/validate.ts';
import type { ValidateOptions } from './validate/index.ts';

export function validateLater(o: ValidateOptions): ValidateHost {
  let loading: Promise<ValidateHost> | null = null;
  const load = () => {
    loading ??= import('./validate/index.ts').then((m) => m.validateHost(o));
    return loading;
  };
  return {
    proposed: async (...a) => (await load()).proposed(...a),
    inPlaceBy: async (...a) => (await load()).inPlaceBy(...a),
    inPlace: async (...a) => (await load()).inPlace(...a),
    alone: async (...a) => (await load()).alone(...a),
  };
}
