import { useState } from 'react';
import { useQuery } from 'urql';
import { readProblem } from '../api/errors';
import { isolate } from '../api/formats';
import { isUnfinished } from '../api/jobs';
import { FailureNotice } from '../components/FailureNotice';
import { GenerateForm } from '../components/GenerateForm';
import { GenerationPages } from '../components/GenerationPages';
import { JobProgress } from '../components/JobProgress';
import { LoadProblem } from '../components/LoadProblem';
import { Loading } from '../components/Loading';
import { ModelHeader } from '../components/ModelHeader';
import { PagedList } from '../components/PagedList';
import { ProblemNotice } from '../components/ProblemNotice';
import { ModelDocument, type ModelFieldsFragment } from '../graphql/operations';
import { useDocumentTitle } from '../hooks/useDocumentTitle';
import { useRetry } from '../hooks/useRetry';
import { pathOf } from '../hooks/useRoute';

/** A model: its training, then its avatars. */
export function ModelPage({ id }: { id: string }): React.JSX.Element {
  const [{ data, error, fetching, stale }, reload] = useQuery({ query: ModelDocument, variables: { id } });
  const model = data?.model;
  if (model) return <LoadedModel model={model} />;
  if (fetching || stale)
    return (
      <div className="page">
        <Loading />
      </div>
    );
  if (error && readProblem(error).code !== 'NOT_FOUND')
    return (
      <div className="page reading stack">
        <h1 tabIndex={-1}>Model</h1>
        <LoadProblem error={error} onRetry={() => reload({ requestPolicy: 'network-only' })} />
      </div>
    );
  return (
    <div className="page reading stack">
      <h1 tabIndex={-1}>Model not found</h1>
      <p>It may have been deleted.</p>
      <p>
        <a href={pathOf({ page: 'models' })}>All models</a>
      </p>
    </div>
  );
}

function LoadedModel({ model }: { model: ModelFieldsFragment }): React.JSX.Element {
  const { id, name, status, progress, failure, attempt } = model;
  const isRunning = isUnfinished(status);
  const title = isolate(name);
  useDocumentTitle(isRunning ? `${progress} % · ${title}` : title);
  const retry = useRetry(id);
  const [orders, setOrders] = useState(0);
  return (
    <div className="page stack large">
      <ModelHeader model={model} />
      {isRunning && (
        <section className="card stack" aria-label="Training">
          <JobProgress label={`Training of ${name}`} job={model} />
          <p className="muted">
            You can close this page: the training goes on, and the studio says when it is ready.
          </p>
        </section>
      )}
      {failure && (
        <FailureNotice
          failure={failure}
          canRetry={model.canRetry}
          retryLabel="Train again"
          isRetrying={retry.isSending}
          onRetry={() => retry.submit({ id, attempt })}
        />
      )}
      {retry.problem && <ProblemNotice problem={retry.problem} />}
      {status === 'CANCELLED' && <p>This training was cancelled. Nothing more happens to it.</p>}
      {status === 'READY' && (
        <GenerateForm modelId={id} onOrdered={() => setOrders((before) => before + 1)} />
      )}
      <PagedList version={orders}>{(after) => <GenerationPages modelId={id} after={after} />}</PagedList>
    </div>
  );
}
