const { resolve } = require('node:path');

const rootDir = resolve(__dirname, '..');

// As in src/sandbox/picture.ts: tests have a copy of process.env, which Fontconfig does not see.
process.env.FONTCONFIG_FILE = resolve(rootDir, 'src/sandbox/font/fonts.conf');
// The AWS SDK says on Node 20 that its versions from 2027 on need 22.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';

const swc = [
  '@swc/jest',
  {
    jsc: {
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
      target: 'es2023',
      keepClassNames: true,
    },
    module: { type: 'commonjs' },
    sourceMaps: 'inline',
  },
];

/** One project per suite; `npm test` runs those that need only Node, `.ci/run` runs all. */
const suite = (displayName, extra = {}) => ({
  displayName,
  rootDir,
  testEnvironment: 'node',
  testMatch: [`<rootDir>/test/${displayName}/**/*.test.ts`],
  setupFiles: ['reflect-metadata'],
  transform: { '^.+\\.[cm]?tsx?$': swc, 'node_modules/(jose|auto-bind)/.+\\.js$': swc },
  transformIgnorePatterns: ['node_modules/(?!(jose|auto-bind)/)'],
  ...extra,
});

const withDatabase = {
  globalSetup: '<rootDir>/test/support/global-setup.ts',
  globalTeardown: '<rootDir>/test/support/global-teardown.ts',
};

/** For suites that start the built gateway as processes. */
const withProcesses = { ...withDatabase, globalSetup: '<rootDir>/test/support/faults-setup.ts' };

/** Tests mostly wait: for answers, restarts, leases and deadlines. So more files run at once than there are cores. */
const maxWorkers = 3;

/** @type {import('jest').Config} */
module.exports = {
  maxWorkers,
  testSequencer: '<rootDir>/.config/test-sequencer.cjs',
  rootDir,
  // Several times what a test needs on a busy machine.
  testTimeout: 120_000,
  projects: [
    suite('unit'),
    suite('contract'),
    suite('api', withDatabase),
    suite('security', withDatabase),
    suite('faults', withProcesses),
    suite('s3', withProcesses),
    suite('redis', withProcesses),
    suite('browser', withDatabase),
    suite('clients', withProcesses),
  ],
};
