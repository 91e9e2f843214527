/** An example operation in a tab of GraphiQL. */
interface Tab {
  readonly query: string;
  readonly variables?: string;
}

const json = (value: object): string => JSON.stringify(value, null, 2);

/**
 * The steps from photos to avatars, in three tabs. The editor does not wrap lines: comments of up to 51 characters fit
 * into a window of 1280 pixels.
 */
export const exampleTabs: readonly Tab[] = [
  {
    query: `# 1. Look around: who you are, your models with
# their avatars, and the styles that there are.
# Run it with Ctrl-Enter, or the button with ▶.
#
# Refused as UNAUTHENTICATED? Write your token or
# key under Headers, in each tab:
# { "Authorization": "Bearer …" }
# Re-fetch (at the left) then loads the docs.
query Overview {
  viewer {
    owner
  }
  models(first: 10) {
    nodes {
      id
      name
      type
      status
      progress
      estimatedReadyAt
      # A url opens in the browser.
      avatars(first: 4) {
        nodes {
          style
          url
        }
      }
    }
  }
  styles {
    key
    description
  }
}
`,
  },
  {
    query: `# 2. Train a model from 5 to 30 photos of a person,
# a couple or an animal.
#
# Put the ids of uploaded photos into the variables
# below. To upload, createPhotoUploads gives each
# photo an id, and a URL to PUT the file to:
# docs/api.md has commands that do it. Photos that
# are on the web need no upload: give a url
# instead of a photoId.
#
# With the same idempotencyKey nothing is trained,
# or paid for, twice. A new training, a new key.
mutation TrainModel($input: TrainModelInput!) {
  trainModel(input: $input) {
    model {
      id
      status
    }
  }
}
`,
    variables: json({
      input: {
        name: 'My model',
        type: 'WOMAN',
        idempotencyKey: 'my-first-model',
        photos: Array<object>(5).fill({ photoId: 'photo_…' }),
      },
    }),
  },
  {
    query: `# 3. Watch the training: put the id of your model,
# which tab 2 answered, into the variables below.
# Each change is shown as it comes, until it is
# READY or FAILED.
#
# READY? Then make avatars, in a new tab (+). When
# they are done, tab 1 shows their URLs.
# mutation {
#   generateAvatars(input: {
#     modelId: "model_…"
#     prompts: [{ style: "watercolor", count: 2 }]
#   }) { generation { id } }
# }
subscription TrainingProgress($modelId: ID!) {
  trainingProgress(modelId: $modelId) {
    status
    progress
    estimatedReadyAt
    failure {
      code
      message
    }
    # What \`after\` takes, to go on from here.
    cursor
  }
}
`,
    variables: json({ modelId: 'model_…' }),
  },
];

/** Inline, because browsers otherwise request /favicon.ico and report an error. */
const icon = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#d60590"/>' +
    '<g fill="#fff" fill-opacity=".65"><circle cx="12" cy="16" r="7"/><circle cx="20" cy="16" r="7"/></g></svg>',
)}`;

export interface PageOptions {
  readonly scripts: readonly string[];
  readonly styles: readonly string[];
  readonly graphqlPath: string;
  /** The CSP nonce of the page's own scripts. */
  readonly nonce: string;
}

/**
 * The HTML page. Headers from the headers editor are sent as HTTP headers, and as the payload of `connection_init` for
 * WebSockets, where browsers cannot send headers.
 */
export function graphiqlPage({ scripts, styles, graphqlPath, nonce }: PageOptions): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Likeness · GraphiQL</title>
<link rel="icon" href="${icon}">
${styles.map((path) => `<link rel="stylesheet" href="${path}">`).join('\n')}
<style nonce="${nonce}">body { margin: 0 } #graphiql { height: 100vh }</style>
</head>
<body>
<div id="graphiql">Loading…</div>
${scripts.map((path) => `<script nonce="${nonce}" src="${path}"></script>`).join('\n')}
<script nonce="${nonce}">${pageScript(graphqlPath)}</script>
</body>
</html>
`;
}

function pageScript(graphqlPath: string): string {
  // Prevents `</script>` in the embedded JSON.
  const embedded = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c');
  return `
const path = ${embedded(graphqlPath)};
const sockets = new Map();
const socketFor = (headers) => {
  const key = JSON.stringify(headers);
  if (!sockets.has(key)) {
    const url = location.origin.replace(/^http/, 'ws') + path;
    sockets.set(key, graphqlWs.createClient({ url, connectionParams: headers }));
  }
  return sockets.get(key);
};
const fetcher = (parameters, options) => {
  const wsClient = socketFor((options && options.headers) || {});
  return GraphiQL.createFetcher({ url: path, wsClient })(parameters, options);
};
ReactDOM.createRoot(document.getElementById('graphiql')).render(
  React.createElement(GraphiQL, {
    fetcher,
    defaultTabs: ${embedded(exampleTabs)},
    defaultEditorToolsVisibility: true,
    shouldPersistHeaders: false,
  }),
);
`;
}
