// The parts of dist/ that the compiler does not write.
const { cpSync, readdirSync, writeFileSync } = require('node:fs');
const { resolve } = require('node:path');

const project = resolve(__dirname, '..');
const path = (...names) => resolve(project, ...names);

cpSync(path('src/sandbox/font'), path('dist/sandbox/font'), { recursive: true });

// likeness/client is built twice: as ES modules, and with the rest as CommonJS, which have the same declarations.
const modules = path('dist/client-esm');
writeFileSync(resolve(modules, 'package.json'), '{ "type": "module", "sideEffects": false }\n');
for (const name of readdirSync(modules).filter((file) => file.endsWith('.d.ts'))) {
  cpSync(resolve(modules, name), path('dist/client', name));
}
