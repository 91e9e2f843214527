// Runs a built program, `node .config/run.cjs main.js`; builds first if `npm ci --ignore-scripts` did not.
const { execSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const { resolve } = require('node:path');

const project = resolve(__dirname, '..');
const [program] = process.argv.splice(2, 1);
const path = resolve(project, 'dist', program);
if (!existsSync(path)) {
  console.error('Building, since dist/ is missing.');
  execSync('npm run --silent build', { cwd: project, stdio: ['ignore', 'inherit', 'inherit'] });
}
require(path);
