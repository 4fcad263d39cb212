/*
 * In place of Node's own loader inside the single executable, whose files are assets: an expression, whose value takes the name of a
 * module and gives what it exports. The modules are those of dist/, each as CommonJS, with V8's code of it where that was made; so they
 * are loaded when they are asked for, as from a disk. In the thread of a program it begins anew.
 */
((sea, vm) => {
  const loaded = new Map();
  const asset = (name) => Buffer.from(sea.getRawAsset(name));
  const codes = new Set(sea.getAssetKeys());
  const load = (name) => {
    if (!name.startsWith('./') && !codes.has(name)) return process.getBuiltinModule(name) ?? missing(name);
    const file = name.replace('./', '');
    const known = loaded.get(file);
    if (known) return known.exports;
    const module = { exports: {} };
    loaded.set(file, module);
    const cachedData = codes.has(`${file}.code`) ? asset(`${file}.code`) : undefined;
    const script = new vm.Script(asset(file).latin1Slice(), { filename: `deckhand:${file}`, cachedData });
    script.runInThisContext()(module.exports, load, module);
    return module.exports;
  };
  const missing = (name) => {
    throw new Error(`${name} is not in this executable`);
  };
  return load;
})(process.getBuiltinModule('node:sea'), process.getBuiltinModule('node:vm'));
