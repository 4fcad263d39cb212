// Loaded before the launcher: a Linux process that looks like one of another system, as far as a program can tell from inside. Whatever of
// Linux it then asks for is told on standard error, so that a test sees it.
const fs = require('node:fs');
const platform = process.env.LOOKS_LIKE;
Object.defineProperty(process, 'platform', { value: platform });
if (platform === 'win32') for (const name of ['geteuid', 'getuid', 'getegid', 'getgid']) process[name] = undefined;
for (const name of [
  'readFileSync',
  'openSync',
  'statSync',
  'lstatSync',
  'existsSync',
  'readdirSync',
  'mkdirSync',
  'realpathSync',
  'accessSync',
]) {
  const real = fs[name];
  fs[name] = (path, ...rest) => {
    if (/^\/(proc|sys|run|var\/lib|etc)(\/|$)/.test(String(path))) process.stderr.write(`LINUX: ${name} ${path}\n`);
    return real(path, ...rest);
  };
}
