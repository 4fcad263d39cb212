/**
 * Who a request is from, asked once for each request, whichever way it takes through the face, and not at all where too much was asked
 * before (limits_admission.ts). Decides only when it is asked; what a credential is worth is decided in policy.
 */
import type { Authenticate, Recognised } from '../policy/credentials.ts';
import { bearerOf } from './gate.ts';
import type { Admission } from './limits_admission.ts';
import type { Visit } from './refusals.ts';

/** A header by its lower-case name. */
export type Header = (name: string) => string | undefined;
export type Recognise = (visit: Visit, header: Header) => Recognised | Promise<Recognised>;

export function createRecognise(authenticate: Authenticate, admission: Pick<Admission, 'hold' | 'told'>): Recognise {
  return (visit, header) => {
    if (visit.recognised) return visit.recognised;
    const held = admission.hold(visit);
    const found = held instanceof Promise ? held.then((h) => h ?? ask(visit, header)) : (held ?? ask(visit, header));
    visit.recognised = found;
    if (found instanceof Promise)
      void found.then(
        (f) => {
          visit.recognised = f;
        },
        () => {},
      );
    return found;
  };

  function ask(visit: Visit, header: Header): Recognised | Promise<Recognised> {
    const bearer = bearerOf(header('authorization'));
    const asked = authenticate({
      listener: visit.listener,
      address: visit.address,
      bearer,
      ...(bearer && bearer === visit.hashed && visit.credential ? { digest: visit.credential } : {}),
      header,
    });
    const told = (found: Recognised) => {
      if ('principal' in found) visit.principal = found.principal;
      admission.told(visit, found);
      return found;
    };
    return asked instanceof Promise ? asked.then(told) : told(asked);
  }
}
