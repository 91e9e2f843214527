import type { ExampleTab } from './examples';

/** What the script of the page needs. */
export interface PageScriptOptions {
  readonly graphqlPath: string;
  readonly tabs: readonly ExampleTab[];
}

/**
 * The script of the page:
 * - fills the examples with ids of the viewer's own objects, also in tabs that the browser has stored, and says in a tab
 *   what to do first where there are none
 * - sends the key of the field at the top, if there is one, which lasts as long as the browser's tab
 * - shows the reason for which a socket was closed, at once
 */
export function pageScript({ graphqlPath, tabs }: PageScriptOptions): string {
  // Prevents `</script>` in the embedded JSON.
  const embedded = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c');
  return `
const path = ${embedded(graphqlPath)};
const examples = ${embedded(tabs)};
const firstSteps = ${embedded(firstSteps)};
${keyScript}
${fillScript(embedded(idsQuery))}
${fetchScript}
const start = async () => {
  const fill = fillWith(await findIds());
  refillStored(fill);
  ReactDOM.createRoot(document.getElementById('graphiql')).render(
    React.createElement(GraphiQL, {
      fetcher,
      defaultTabs: examples.map(fill),
      defaultEditorToolsVisibility: true,
      shouldPersistHeaders: false,
    }),
  );
};
start();
`;
}

/** The objects that examples can be run with, newest first. */
const idsQuery = `{
  photo: photos(first: 5, filter: { isUnused: true, statuses: [READY] }) { nodes { id } }
  model: models(first: 1, filter: { statuses: [READY] }) { nodes { id } }
  generation: generations(first: 1) { nodes { id } }
  avatar: avatars(first: 1) { nodes { id } }
  webhook: webhooks(first: 1) { nodes { id } }
}`;

/** What to do first if there are no objects of a kind, and the operation that does it. */
const firstSteps: Readonly<Record<string, readonly [step: string, operation: string]>> = {
  photo: ['upload 5 photos', 'UploadPhotos'],
  model: ['train a model', 'TrainModel'],
  generation: ['generate avatars', 'GenerateAvatars'],
  avatar: ['generate avatars', 'GenerateAvatars'],
  webhook: ['create a webhook', 'CreateWebhook'],
};

const keyScript = `
const field = document.querySelector('#key input');
let key = '';
try { key = (field && sessionStorage.getItem('likeness:key')) || ''; } catch {}
if (field) {
  field.value = key;
  field.addEventListener('change', () => {
    sessionStorage.setItem('likeness:key', field.value.trim().replace(/^Bearer +/i, ''));
    location.reload();
  });
}
const withKey = (headers) =>
  key === '' || Object.keys(headers).some((name) => name.toLowerCase() === 'authorization')
    ? headers
    : { ...headers, Authorization: 'Bearer ' + key };`;

const fillScript = (query: string): string => `
const findIds = async () => {
  try {
    const headers = withKey({ 'content-type': 'application/json', accept: 'application/json' });
    const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify({ query: ${query} }) });
    const { data } = await response.json();
    return Object.fromEntries(Object.entries(data).map(([kind, list]) => [kind, list.nodes.map(({ id }) => id)]));
  } catch {
    return null;
  }
};
const photosOfTraining = 5;
const idOf = (kind, index, found = []) => {
  if (kind !== 'photo') return found[0];
  return found[index] || (index < photosOfTraining ? undefined : found[0]);
};
const fillWith = (ids) => (tab) => {
  if (ids === null || !tab.variables) return tab;
  const counts = {};
  const steps = new Set();
  const variables = tab.variables.replace(/"([a-z]+)_…"/g, (placeholder, kind) => {
    counts[kind] = (counts[kind] || 0) + 1;
    const id = idOf(kind, counts[kind] - 1, ids[kind]);
    if (id !== undefined) return JSON.stringify(id);
    const [step, operation] = firstSteps[kind] || [];
    if (step && !tab.query.includes('mutation ' + operation)) steps.add('# - ' + step + ' (' + operation + ')\\n');
    return placeholder;
  });
  const title = '# To do first, then reload this page:\\n';
  const query = tab.query.replace(/^# To do first[^\\n]*\\n(?:# - .*\\n)+\\n/, '');
  return { ...tab, variables, query: steps.size === 0 ? query : title + [...steps].join('') + '\\n' + query };
};
// GraphiQL stores its tabs, and the content of the active one once more.
const refillStored = (fill) => {
  try {
    const state = JSON.parse(localStorage.getItem('graphiql:tabState'));
    if (!state) return;
    const tabs = state.tabs.map(fill);
    localStorage.setItem('graphiql:tabState', JSON.stringify({ ...state, tabs }));
    const active = tabs[state.activeTabIndex] || {};
    for (const name of ['query', 'variables'])
      if (active[name]) localStorage.setItem('graphiql:' + name, active[name]);
  } catch {}
};`;

const fetchScript = `
const sockets = new Map();
const socketFor = (headers) => {
  const name = JSON.stringify(headers);
  if (!sockets.has(name)) {
    const url = location.origin.replace(/^http/, 'ws') + path;
    // Refused credentials stay refused.
    const shouldRetry = ({ code }) => code !== 4403;
    sockets.set(name, graphqlWs.createClient({ url, connectionParams: headers, shouldRetry }));
  }
  return sockets.get(name);
};
const readable = (error) =>
  new Error(String((error && error.message) || error).replace(/^Socket closed with event \\d+ (?=.)/, ''));
const withReasons = (results) => ({
  [Symbol.asyncIterator]: () => {
    const inner = results[Symbol.asyncIterator]();
    return {
      next: () => inner.next().catch((error) => { throw readable(error); }),
      return: () => inner.return(),
    };
  },
});
const fetcher = async (parameters, options) => {
  const headers = withKey((options && options.headers) || {});
  const fetchOnce = GraphiQL.createFetcher({ url: path, wsClient: socketFor(headers) });
  const result = await fetchOnce(parameters, { ...options, headers });
  return result && result[Symbol.asyncIterator] ? withReasons(result) : result;
};`;
