/**
 * Run by the Node of the executable: V8's code of each module in a folder, as FILE.code beside it. Every function of it, not only those
 * that run at once: what an executable compiles lazily it compiles at each start anew, because there is no cache that it could fill.
 *
 * Equal bytes each time: a seed of its own for the hashes of names (they are made anew where the code is loaded). The flags are put back
 * to what they are by default before the code is written, because V8 refuses code that was made under others.
 */
const fs = require('node:fs');
const path = require('node:path');
const v8 = require('node:v8');
const vm = require('node:vm');

const [folder] = process.argv.slice(2);
for (const name of fs.readdirSync(folder).sort()) {
  v8.setFlagsFromString('--no-lazy');
  const script = new vm.Script(fs.readFileSync(path.join(folder, name), 'latin1'), { filename: `deckhand:${name}` });
  v8.setFlagsFromString('--lazy');
  v8.setFlagsFromString('--hash-seed=0');
  fs.writeFileSync(path.join(folder, `${name}.code`), script.createCachedData());
}
