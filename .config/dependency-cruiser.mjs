/**
 * Who may import whom. Dependencies point one way:
 *
 *   root → doors → features (accounts ← photos ← jobs ← models ← generations ← persons) → vocabulary and edges → core
 *
 * Types count like values unless a rule says otherwise: a type that points up is knowledge that points up.
 */
const CORE = '^src/core/';
const VOCABULARY = '^src/graphql/';
const EDGES = '^src/(upstream|storage|events|database)/';
const DOORS = '^src/(http|poller|cli)/';
const ROOT = '^src/[^/]+[.]ts$';

/** In order: each may use those before it. */
const features = ['accounts', 'photos', 'jobs', 'models', 'generations', 'persons'];
const FEATURES = `^src/(${features.join('|')})/`;

const packages = (...names) => `(^|/)node_modules/(${names.join('|')})/`;
const builtins = (...names) => `^(node:)?(${names.join('|')})$`;

const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });
const paths = (...path) => ({ path });
/** Everything but the listed types of import. */
const valuesOf = (...path) => ({ path, dependencyTypesNot: ['type-only'] });

const layers = [
  rule(
    'core-knows-nothing',
    'The floor: whatever it imported of ours would be below itself.',
    paths(CORE),
    paths('^src/(?!core/)'),
  ),
  rule(
    'edges-know-core-only',
    'An edge talks to the outside. It must not know who calls it, or it could not be replaced.',
    paths(EDGES),
    paths(VOCABULARY, FEATURES, DOORS, ROOT),
  ),
  rule(
    'edges-know-no-other-edge',
    'Two edges meet in the feature that needs both. Types may be named, and rows, which TypeORM ties to each other.',
    paths(EDGES),
    { path: EDGES, pathNot: ['^src/$1/', '[.]entity[.]ts$'], dependencyTypesNot: ['type-only'] },
  ),
  rule(
    'vocabulary-is-low',
    'src/graphql is words that all resolvers share, not the assembled schema.',
    paths(VOCABULARY),
    paths(EDGES, FEATURES, DOORS, ROOT),
  ),
  rule(
    'features-know-no-door',
    'A feature must not know whether a request, the clock or an operator woke it, nor who put it together.',
    paths(FEATURES),
    paths(DOORS, ROOT),
  ),
  ...features
    .slice(0, -1)
    .map((feature, index) =>
      rule(
        `${feature}-before-${features[index + 1]}`,
        'Features stand in an order, and a later one may use an earlier one. Backwards would be a cycle of folders.',
        paths(`^src/${feature}/`),
        paths(`^src/(${features.slice(index + 1).join('|')})/`),
      ),
    ),
  rule(
    'doors-know-no-other-door',
    'Requests and the clock meet in the features. The command line is a user of everything.',
    paths('^src/(http|poller)/'),
    { path: DOORS, pathNot: '^src/$1/' },
  ),
  rule(
    'doors-are-handed-what-they-need',
    'app.ts makes every part and hands it over; a door that fetched its own would have two ways to be made.',
    paths('^src/(http|poller)/'),
    valuesOf(ROOT),
  ),
];

const kinds = [
  rule(
    'across-features-by-the-front-door',
    'Another feature is its services, rows, states, loaders and API types; the rest may change unseen. accounts/ and jobs/ have no inside: they are what those after them have in common; so is what photos/ knows of pictures.',
    paths(FEATURES),
    {
      path: FEATURES,
      pathNot: [
        '^src/$1/',
        '^src/(accounts|jobs)/',
        '^src/photos/(result-)?picture',
        '[.](service|entity|type|state|loader)[.]ts$',
      ],
    },
  ),
  rule(
    'graphql-stays-in-resolvers',
    'Services are also called by the clock and the command line, which speak no GraphQL.',
    { path: [CORE, EDGES, FEATURES, '^src/poller/'], pathNot: '[.](resolver|type|input)[.]ts$' },
    paths(
      VOCABULARY,
      '[.](resolver|type|input)[.]ts$',
      packages('type-graphql', 'graphql', 'graphql-scalars', 'graphql-ws', 'graphql-sse', '@apollo'),
    ),
  ),
  rule(
    'resolvers-are-thin',
    'A resolver is authorisation and one call. Rows, stores and the upstream are behind the service; a row’s type may be named.',
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
    'A table of states imports nothing, so it can be read and tested alone.',
    paths('[.]state[.]ts$'),
    paths('.'),
  ),
  rule(
    'rows-know-rows',
    'A row may name other rows, its states and the words of the provider port; what is done with it stands elsewhere.',
    paths('[.]entity[.]ts$'),
    { path: '^src/', pathNot: ['[.](entity|state)[.]ts$', '^src/upstream/provider[.]ts$'] },
  ),
];

const outside = [
  rule(
    'one-way-to-the-database',
    'SQL runs through core/sql, so that the caller decides where a transaction begins. Events keep one connection to listen on.',
    { path: '^src/', pathNot: ['^src/(database|events)/', '[.]entity[.]ts$'] },
    valuesOf(packages('typeorm', 'pg')),
  ),
  rule(
    'one-way-out',
    'Calls to the outside are made in upstream/, where each has its limits. (fetch is refused by the linter.)',
    { path: '^src/', pathNot: '^src/upstream/' },
    valuesOf(packages('undici'), builtins('https', 'http2')),
  ),
  rule(
    'one-door-for-requests',
    'Servers are opened in http/; the sandbox is one of its own. The demo needs ws as the client that Node 20 lacks.',
    { path: '^src/', pathNot: ['^src/(http|upstream)/', '^src/cli/demo-'] },
    valuesOf(packages('ws', '@apollo/server'), builtins('http')),
  ),
  rule(
    'one-way-to-the-disk',
    'Pictures go through storage/. Besides it: the embedded database, the journal of paid calls, the sandbox’s memory, GraphiQL’s own files, pictures that wait in a scratch file, the check for free descriptors, what start-up reads, and the command line.',
    {
      path: '^src/',
      pathNot: [
        '^src/(storage|upstream/sandbox|cli)/',
        '^src/(database/embedded|jobs/journal|photos/picture-decoding|upstream/name-resolution|http/(graphiql|persisted-queries|descriptor-limit)|config|main)',
      ],
    },
    paths(builtins('fs', 'fs/promises')),
  ),
];

const hygiene = [
  rule(
    'no-cycles',
    'Lazy thunks hide cycles; do not have them. Types count: they tie readers too.',
    {},
    { circular: true },
  ),
  rule(
    'no-orphans',
    'Nobody imports this file, and it imports nobody: it is not part of the program.',
    { orphan: true, path: '^src/', pathNot: '^src/(main|cli/likeness)[.]ts$' },
    {},
  ),
  rule('no-tests-in-production', 'src is what is shipped.', paths('^src/'), paths('^test/')),
  rule(
    'declared-packages-only',
    'Add it to dependencies: a package that only development installs is missing in production.',
    paths('^src/'),
    { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
  ),
  rule('nothing-unresolved', 'The import leads nowhere.', paths('^src/'), { couldNotResolve: true }),
];

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [...layers, ...kinds, ...outside, ...hygiene],
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
