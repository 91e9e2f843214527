/** An operation that waits in a tab when GraphiQL is opened for the first time. */
interface Tab {
  readonly query: string;
  readonly variables?: string;
}

/** The way from photos to pictures, in three tabs. */
export const exampleTabs: readonly Tab[] = [
  {
    query: `# Who am I, what have I trained, and which styles are there?
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
    }
  }
  styles {
    id
    name
    description
  }
}
`,
  },
  {
    query: `# Trains a model from 5 to 30 photos. Repeating it with the same idempotencyKey pays nothing.
mutation TrainModel($input: TrainModelInput!) {
  trainModel(input: $input) {
    model {
      id
      status
    }
  }
}
`,
    variables: JSON.stringify(
      {
        input: {
          name: 'My model',
          type: 'WOMAN',
          photoUrls: [1, 2, 3, 4, 5].map((number) => `https://example.com/photo-${number}.jpg`),
          idempotencyKey: 'my-first-model',
        },
      },
      null,
      2,
    ),
  },
  {
    query: `# The training as it goes, from now to its end. With \`after\`, everything since that cursor.
subscription TrainingProgress($modelId: ID!) {
  trainingProgress(modelId: $modelId) {
    status
    progress
    estimatedReadyAt
    failure {
      code
      message
    }
    cursor
  }
}
`,
    variables: JSON.stringify({ modelId: 'model_…' }, null, 2),
  },
];

/** What the page is made of. */
export interface PageParts {
  readonly scripts: readonly string[];
  readonly styles: readonly string[];
  readonly graphqlPath: string;
  /** Lets the page's own script run, and no other. */
  readonly nonce: string;
}

/**
 * The page. A token written into the headers editor goes with requests as a header, and with sockets, where browsers
 * cannot send headers, as the payload of \`connection_init\`.
 */
export function graphiqlPage({ scripts, styles, graphqlPath, nonce }: PageParts): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Likeness · GraphiQL</title>
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
  // Nothing in a script element may look like its end.
  const json = (value: unknown): string => JSON.stringify(value).replaceAll('<', '\\u003c');
  return `
const path = ${json(graphqlPath)};
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
  React.createElement(GraphiQL, { fetcher, defaultTabs: ${json(exampleTabs)}, shouldPersistHeaders: false }),
);
`;
}
