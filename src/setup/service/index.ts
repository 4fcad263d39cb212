/** What the commands of `deckhand service` may call. All of it is loaded with them: an uninstall takes the program's own files away. */
export { type Done, install, upgrade } from './install.ts';
export { thisMachine } from './machine.ts';
export { costsOf, powersThere } from './powers.ts';
export { rollback } from './rollback.ts';
export { type Status, status } from './status.ts';
export { addressText, guard, type Say } from './switch.ts';
export { uninstall } from './uninstall.ts';
export { OWN_ADDRESS } from './units.ts';
