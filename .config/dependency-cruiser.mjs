/**
 * Rules for imports. Dependencies point one way:
 *
 *   app → entry points (http, poller, cli) → features (accounts ← auth ← notices ← photos ← jobs ← models ← generations ← activity ← webhooks ← privacy ← operator)
 *     → shared API vocabulary (graphql) and edges (upstream, storage, events, database, redis, images) → core
 *
 * Imports of types count like imports of values unless a rule excludes them.
 */
const CORE = '^src/core/';
const VOCABULARY = '^src/(graphql|reads)/';
const EDGES = '^src/(upstream|storage|events|database|redis|embedded-postgres|images)/';
const SANDBOX = '^src/sandbox/';
const ENTRY_POINTS = '^src/(http|poller|cli)/';
const ROOT = '^src/(app/|[^/]+[.]ts$)';

/** In order: each may use those before it. */
const features = [
  'accounts',
  'auth',
  'notices',
  'photos',
  'jobs',
  'models',
  'generations',
  'activity',
  'webhooks',
  'privacy',
  'operator',
];
const FEATURES = `^src/(${features.join('|')})/`;

const packages = (...names) => `(^|/)node_modules/(${names.join('|')})/`;
const builtins = (...names) => `^(node:)?(${names.join('|')})$`;

const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });
const paths = (...path) => ({ path });
/** Everything but the listed types of import. */
const valuesOf = (...path) => ({ path, dependencyTypesNot: ['type-only'] });

const layers = [
  rule(
    'core-imports-only-core',
    'core is the lowest layer: of this project it imports only itself.',
    paths(CORE),
    paths('^src/(?!core/)'),
  ),
  rule(
    'edges-import-only-core',
    'An edge is an interface to the outside. It does not import its callers, so that it can be replaced.',
    paths(EDGES),
    paths(VOCABULARY, FEATURES, SANDBOX, ENTRY_POINTS, ROOT),
  ),
  rule(
    'edges-import-no-other-edge',
    'A feature that needs two edges imports both. Types, and entities, which TypeORM relates, are allowed.',
    paths(EDGES),
    { path: EDGES, pathNot: ['^src/$1/', '[.]entity[.]ts$'], dependencyTypesNot: ['type-only'] },
  ),
  rule(
    'sandbox-is-independent',
    'The sandbox stands in for an upstream: it shares wire formats with upstream/ and imports no feature.',
    paths(SANDBOX),
    paths(VOCABULARY, FEATURES, ENTRY_POINTS, ROOT, '^src/(storage|events|database)/'),
  ),
  rule(
    'client-imports-only-graphql-ws',
    'likeness/client runs in browsers and is published without the server.',
    paths('^src/client/'),
    { path: '.', pathNot: ['^src/client/', '(^|/)node_modules/graphql-ws/'] },
  ),
  rule(
    'client-is-for-clients',
    'The command line is a client of the gateway like any other; the server does not call itself.',
    { path: '^src/', pathNot: '^src/(client|cli)/' },
    paths('^src/client/'),
  ),
  rule(
    'vocabulary-imports-only-core',
    'src/graphql holds what all resolvers share; the schema is assembled from resolvers that are passed in.',
    paths(VOCABULARY),
    paths(EDGES, FEATURES, SANDBOX, ENTRY_POINTS, ROOT),
  ),
  rule(
    'features-import-no-entry-point',
    'A feature does not depend on its callers: requests, the poller, commands.',
    paths(FEATURES),
    paths(ENTRY_POINTS, SANDBOX, ROOT),
  ),
  ...features
    .slice(0, -1)
    .map((feature, index) =>
      rule(
        `${feature}-before-${features[index + 1]}`,
        'Features are ordered, and a later one may use an earlier one. Backwards would be a cycle of folders.',
        paths(`^src/${feature}/`),
        paths(`^src/(${features.slice(index + 1).join('|')})/`),
      ),
    ),
  rule(
    'entry-points-import-no-other-entry-point',
    'Requests and the poller share features only. The command line may import everything.',
    paths('^src/(http|poller)/'),
    { path: ENTRY_POINTS, pathNot: '^src/$1/' },
  ),
  rule(
    'entry-points-receive-their-dependencies',
    'app/ constructs every part and passes it to the entry points.',
    paths('^src/(http|poller)/'),
    valuesOf(ROOT),
  ),
];

const kinds = [
  rule(
    'features-import-public-files',
    'Another feature offers its services, rows, states, loaders, kind of job and API types; the rest may change. accounts/, auth/, notices/ and jobs/ have no private part: they are what the features after them share. privacy/ deletes the rows of all features.',
    { path: FEATURES, pathNot: '^src/privacy/' },
    {
      path: FEATURES,
      pathNot: [
        '^src/$1/',
        '^src/(accounts|auth|notices|jobs)/',
        '[.](service|entity|type|state|loader|kind|read)[.]ts$',
      ],
    },
  ),
  rule(
    'graphql-stays-in-resolvers',
    'Services are also called by the poller and the command line, which do not use GraphQL.',
    { path: [CORE, EDGES, FEATURES, '^src/poller/'], pathNot: '[.](resolver|type|input|read)[.]ts$' },
    paths(
      VOCABULARY,
      '[.](resolver|type|input|read)[.]ts$',
      packages('type-graphql', 'graphql', 'graphql-scalars', 'graphql-ws', 'graphql-sse', '@apollo'),
    ),
  ),
  rule(
    'resolvers-are-thin',
    'A resolver is authorisation and one call of a service. Only the types of rows may be named.',
    paths('[.]resolver[.]ts$'),
    valuesOf(
      '^src/(upstream|storage|database)/',
      '[.]entity[.]ts$',
      packages('typeorm', 'pg', 'undici', 'sharp'),
      builtins('fs', 'fs/promises', 'http', 'https'),
    ),
  ),
  rule(
    'state-is-pure',
    'A state table imports nothing, so that it can be read and tested alone.',
    paths('[.]state[.]ts$'),
    paths('.'),
  ),
  rule(
    'entities-import-entities',
    'An entity may name other entities, its states and the types of the provider port.',
    paths('[.]entity[.]ts$'),
    { path: '^src/', pathNot: ['[.](entity|state)[.]ts$', '^src/upstream/provider[.]ts$'] },
  ),
];

const outside = [
  rule(
    'sql-through-core',
    'SQL runs through core/sql, so that the caller decides where a transaction begins. Events keep one connection to listen on.',
    { path: '^src/', pathNot: ['^src/(database|embedded-postgres|events)/', '[.]entity[.]ts$'] },
    valuesOf(packages('typeorm', 'pg')),
  ),
  rule(
    'outside-calls-in-upstream-only',
    'Calls to the outside are made in upstream/, where each has its limits. (fetch is refused by the linter.) The exporter of traces gets an agent.',
    { path: '^src/', pathNot: '^src/(upstream/|app/tracing)' },
    valuesOf(packages('undici'), builtins('https', 'http2')),
  ),
  rule(
    'servers-in-http-only',
    'Servers are opened in http/ and by the sandbox. The demo needs ws as the client that Node 20 lacks, the exporter of traces an agent.',
    { path: '^src/', pathNot: ['^src/(http|upstream|sandbox)/', '^src/cli/demo-', '^src/app/tracing'] },
    valuesOf(packages('ws', '@apollo/server'), builtins('http')),
  ),
  rule(
    'files-through-storage',
    'Pictures go through storage/. Exceptions: the embedded database, the journal of paid calls, the sandbox’s data, the files of GraphiQL and of the studio, the creation of folders, scratch files of decoding, the check for free descriptors, what start-up reads, and the command line.',
    {
      path: '^src/',
      pathNot: [
        '^src/(storage|sandbox|embedded-postgres|cli)/',
        '^src/(core/folders|jobs/(journal|foreign-journals)|images/decoding|upstream/name-resolution|http/(graphiql/|studio/|graphql/persisted-queries|connection-limits)|config|main)',
      ],
    },
    paths(builtins('fs', 'fs/promises')),
  ),
];

const studio = [
  rule(
    'studio-imports-only-the-client',
    'The studio is a client like any other: it knows the API, and of src only the client module.',
    paths('^web/'),
    { path: '^src/', pathNot: '^src/client/' },
  ),
  rule('studio-is-not-imported', 'The server serves the built studio.', paths('^src/'), paths('^web/')),
];

const hygiene = [
  rule('no-cycles', 'Lazy thunks hide cycles. Types count too.', {}, { circular: true }),
  rule(
    'no-orphans',
    'This file imports nothing and is not imported: it is not part of the program.',
    { orphan: true, path: '^src/', pathNot: '^src/(main|cli/likeness)[.]ts$' },
    {},
  ),
  rule('no-tests-in-production', 'src is what is released.', paths('^src/'), paths('^test/')),
  rule(
    'declared-packages-only',
    'Add it to dependencies: a package that only development installs is missing in production.',
    paths('^src/'),
    { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
  ),
  rule('nothing-unresolved', 'The import does not resolve.', paths('^src/'), { couldNotResolve: true }),
];

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [...layers, ...kinds, ...outside, ...studio, ...hygiene],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
