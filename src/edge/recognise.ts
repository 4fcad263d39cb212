/**
 * Who a request is from, asked once for each request, whichever way it takes through the face. Decides only when it is asked; what a
 * credential is worth is decided in policy.
 */
import type { Authenticate, Recognised } from '../policy/credentials.ts';
import { bearerOf } from './gate.ts';
import type { Visit } from './refusals.ts';

/** A header by its lower-case name. */
export type Header = (name: string) => string | undefined;
export type Recognise = (visit: Visit, header: Header) => Recognised | Promise<Recognised>;

export function createRecognise(authenticate: Authenticate): Recognise {
  return (visit, header) => {
    if (visit.recognised) return visit.recognised;
    const asked = authenticate({
      listener: visit.listener,
      address: visit.address,
      bearer: bearerOf(header('authorization')),
      header,
    });
    const told = (found: Recognised) => {
      visit.recognised = found;
      if ('principal' in found) visit.principal = found.principal;
      return found;
    };
    if (!(asked instanceof Promise)) return told(asked);
    visit.recognised = asked.then(told);
    return visit.recognised;
  };
}
