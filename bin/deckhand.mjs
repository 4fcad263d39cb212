#!/usr/bin/env node
// The command's first file. It decides which Node runs Deckhand and where V8's compile cache lies; all else is in dist/.
// Plain old syntax and no `node:` names, because it must parse on any Node that knows modules: an old one has to reach the
// lines that hand over to the Node in node_modules, or that say what is missing.
// biome-ignore-all lint: the syntax is old on purpose (see above).
// biome-ignore-all assist: likewise.
var fs, path, url, here, pkg;
// Null: a system (Windows) on which folders have no such owner; there is no cache then.
var uid = process.geteuid ? process.geteuid() : null;

// Where it can be had, without `import`: that would make Node load file streams and more that nobody uses.
if (process.getBuiltinModule) begin(['fs', 'path', 'url'].map(process.getBuiltinModule));
else Promise.all([import('fs'), import('path'), import('url')]).then(begin);

function begin(modules) {
  fs = modules[0];
  path = modules[1];
  url = modules[2];
  // Through symbolic links (npm's bin folder) to the package itself.
  here = path.dirname(fs.realpathSync(url.fileURLToPath(import.meta.url)));
  pkg = path.dirname(here);
  if (supported(process.versions.node)) start();
  else handOver();
}

function supported(version) {
  var v = version.split('.').map(Number);
  return (v[0] === 24 && v[1] >= 15) || (v[0] === 26 && v[1] >= 1) || v[0] > 26;
}

function start() {
  // Marks of the handing over; what is left in the environment is read as settings.
  delete process.env.DECKHAND_HANDED_OVER;
  lifeline();
  var module = process.getBuiltinModule('module');
  // Half of the start is compiling. Without a folder of our own there is no cache: the default is in $TMPDIR, under a name
  // that another user may have taken, and what lies in it is run.
  var built = builtCache();
  // 0 is FAILED: made for another uid, which Node has in the names in it.
  var dir = built && module.enableCompileCache(built).status !== 0 ? null : cacheDir();
  if (dir) module.enableCompileCache(dir);
  var main = path.join(pkg, 'dist', 'main.mjs');
  if (!fs.existsSync(main)) {
    return fail('Deckhand is not built: ' + main + ' is missing. Run `npm ci && npm run build` in ' + pkg + '.');
  }
  import(url.pathToFileURL(main).href).catch(function (error) {
    fail('Deckhand cannot start: ' + ((error && error.stack) || error));
  });
  // The cache is else written only on a clean exit, and clients end a server by SIGTERM. After the first answers, so
  // that what they compiled is in it; unref, so that a short command does not wait for it.
  if (dir) setTimeout(module.flushCompileCache, 1500).unref();
}

/** Of an image: filled when it was built, root's like the program itself, so that no one can change it who is not root anyway. */
function builtCache() {
  var dist = path.join(pkg, 'dist');
  var cache = path.join(dist, '.compile-cache');
  return uid !== null && uid !== 0 && of(0, pkg, 18) && of(0, dist, 18) && of(0, cache, 18) ? cache : null;
}

/** Inside the package if it is ours and nobody else may write it, else in the state folder under the same conditions. */
function cacheDir() {
  if (uid === null) return null;
  var dist = path.join(pkg, 'dist');
  if (ours(pkg, 18) && ours(dist, 18)) {
    var inside = path.join(dist, '.compile-cache');
    if (made(inside, 18)) return inside;
  }
  var state = stateDir();
  // Only once Deckhand itself has made it: this file decides nothing about the state folder.
  if (state && ours(state, 63)) {
    var kept = path.join(state, 'compile-cache');
    if (made(kept, 63)) return kept;
  }
  return null;
}

/** A folder of this very user without the given permission bits (18 = 022, 63 = 077) for others. */
function ours(dir, bits) {
  return of(uid, dir, bits);
}

function of(uid, dir, bits) {
  try {
    var found = fs.lstatSync(dir);
    return found.isDirectory() && found.uid === uid && (found.mode & bits) === 0;
  } catch (_) {
    return false;
  }
}

function made(dir, bits) {
  try {
    fs.mkdirSync(dir, 448); // 0700
  } catch (error) {
    if (error.code !== 'EEXIST') return false;
  }
  return ours(dir, bits);
}

/** The default and the environment only: reading flags and files is for later, and a missed cache costs 50 ms at most. */
function stateDir() {
  var env = process.env;
  if (env.DECKHAND_STATE_DIR) return path.resolve(env.DECKHAND_STATE_DIR);
  if (uid === 0) return '/var/lib/deckhand';
  if (env.XDG_STATE_HOME && path.isAbsolute(env.XDG_STATE_HOME)) return path.join(env.XDG_STATE_HOME, 'deckhand');
  return env.HOME ? path.join(env.HOME, '.local', 'state', 'deckhand') : null;
}

/** A Node that cannot become another program starts it instead, and holds one end of this pipe: when it is killed, we end. */
function lifeline() {
  var fd = process.env.DECKHAND_LIFELINE;
  delete process.env.DECKHAND_LIFELINE;
  if (fd !== '3') return;
  var net = process.getBuiltinModule('net');
  var socket = new net.Socket({ fd: 3, readable: true, writable: false });
  socket.on('error', function () {});
  socket.on('close', function () {
    process.kill(process.pid, 'SIGTERM');
  });
  socket.resume();
  socket.unref();
}

/** The package's own node_modules, then each folder named so that the package lies in. Not beside every parent, as Node
 * itself would look: in /tmp/x/deckhand that would run what any user has put into /tmp/node_modules. */
function bundledNode() {
  var name = path.join('node-linux-' + process.arch, 'bin', 'node');
  var at = [path.join(pkg, 'node_modules')];
  for (var dir = path.dirname(pkg); dir !== path.dirname(dir); dir = path.dirname(dir)) {
    if (path.basename(dir) === 'node_modules') at.push(dir);
  }
  for (var i = 0; i < at.length; i++) {
    var file = path.join(at[i], name);
    if (fs.existsSync(file)) return file;
  }
  return null;
}

function handOver() {
  var node = process.platform === 'linux' ? bundledNode() : null;
  // Handed over once already, and still too old: never twice.
  if (!node || process.env.DECKHAND_HANDED_OVER) return tooOld(node);
  var args = [path.join(here, 'deckhand.mjs')].concat(process.argv.slice(2));
  var env = Object.assign({}, process.env, { DECKHAND_HANDED_OVER: '1' });
  if (typeof process.execve === 'function') {
    try {
      // Becomes the other program: the same process, descriptors and signals, nothing left behind.
      process.execve(node, [node].concat(args), env);
    } catch (error) {
      return tooOld(node, error);
    }
  }
  import('child_process').then(function (child_process) {
    beside(child_process, node, args, env);
  });
}

/** For a Node without execve (before 22.15): this process stays, does nothing, and ends with the other. */
function beside(child_process, node, args, env) {
  env.DECKHAND_LIFELINE = '3';
  var child = child_process.spawn(node, args, { stdio: ['inherit', 'inherit', 'inherit', 'pipe'], env: env });
  var signals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGCONT'];
  var forward = function (signal) {
    child.kill(signal);
  };
  for (var i = 0; i < signals.length; i++) process.on(signals[i], forward);
  child.on('error', function (error) {
    tooOld(node, error);
  });
  child.on('exit', function (code, signal) {
    if (!signal) process.exit(code === null ? 1 : code);
    for (var i = 0; i < signals.length; i++) process.removeListener(signals[i], forward);
    process.kill(process.pid, signal);
    // Some signals do not end us (SIGCONT, or one that is ignored here): then with the number a shell would say.
    process.exitCode = 1;
  });
}

function tooOld(node, error) {
  var lines = ['Deckhand needs Node ^24.15 or >=26.1; this is ' + process.version + ' (' + process.execPath + ').'];
  if (error) lines.push(node + ' does not start: ' + error.message + '.');
  else if (node) lines.push(node + ' is too old as well: run `npm ci` in ' + pkg + '.');
  else
    lines.push(
      'Run `npm ci` in ' + pkg + ' without --omit=optional: it brings Node 24 for Linux on x64 and arm64 (glibc).',
    );
  lines.push('Or start it by a newer one: /path/to/node ' + path.join(here, 'deckhand.mjs'));
  fail(lines.join('\n'));
}

function fail(text) {
  process.stderr.write('deckhand: ' + text + '\n');
  process.exitCode = 1;
}
