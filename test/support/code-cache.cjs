/*
 * Keeps the compiled code of modules in a folder, for tests that start a gateway: `node -r …/code-cache.cjs dist/main.js`.
 * Suites start several hundred, and compiling takes a fifth of a start. Node 22 has such a cache, Node 20 has not.
 */
const { createHash } = require('node:crypto');
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs');
const Module = require('node:module');
const { tmpdir } = require('node:os');
const { dirname, join } = require('node:path');
const { setTimeout } = require('node:timers');
const { deserialize, serialize } = require('node:v8');
const { Script } = require('node:vm');

const folder = join(tmpdir(), `likeness-code-cache-${process.getuid?.() ?? 0}-${process.version}`);
const file = join(folder, 'code');
const afterMs = 4_000;

/** Compiled code by the hash of the source, so that what a new build has changed is compiled. */
function load() {
  try {
    return deserialize(readFileSync(file));
  } catch {
    return new Map();
  }
}

function cacheCode() {
  const cached = load();
  const compiled = new Map();
  const used = new Map();
  const compile = Module.prototype._compile;

  Module.prototype._compile = function (source, filename, format) {
    const key = createHash('md5').update(source).digest('base64');
    // Only Node's own loader knows where `import()` begins to look.
    const isPlain = format !== 'module' && !/\bimport\s*\(/.test(source);
    const script = isPlain ? scriptOf(source, filename, cached.get(key)) : null;
    if (script === null) return compile.call(this, source, filename, format);
    if (cached.has(key) && !script.cachedDataRejected) used.set(key, cached.get(key));
    else compiled.set(key, script);
    const load = (id) => this.require(id);
    load.resolve = (id, options) => Module._resolveFilename(id, this, false, options);
    load.main = process.mainModule;
    load.cache = Module._cache;
    const run = script.runInThisContext();
    return run.call(this.exports, this.exports, load, this, filename, dirname(filename));
  };

  setTimeout(() => {
    // A new build replaces the old one.
    if (compiled.size > 100) save(new Map([...used, ...codeOf(compiled)]));
  }, afterMs).unref();
}

/** Null for ECMAScript modules, which `require` loads too. */
function scriptOf(source, filename, cachedData) {
  try {
    return new Script(Module.wrap(source), { filename, cachedData });
  } catch {
    return null;
  }
}

const codeOf = (scripts) => [...scripts].map(([key, script]) => [key, script.createCachedData()]);

/** As a whole: processes that start at the same time read the old or the new file. */
function save(code) {
  const partial = `${file}.${process.pid}`;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(partial, serialize(code));
  renameSync(partial, file);
}

const { enableCompileCache } = Module;
if (enableCompileCache) enableCompileCache(folder);
else cacheCode();
