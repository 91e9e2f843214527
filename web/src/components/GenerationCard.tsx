import { formatDate, isolate, plural } from '../api/formats';
import { isUnfinished } from '../api/jobs';
import { useStyleName } from '../api/session';
import { type GenerationFieldsFragment } from '../graphql/operations';
import { type OrderState } from '../hooks/useOrder';
import { useRetry, type RetryInput } from '../hooks/useRetry';
import { AvatarGrid } from './AvatarGrid';
import { FailureNotice } from './FailureNotice';
import { GenerationActions } from './GenerationActions';
import { JobProgress } from './JobProgress';
import { ProblemNotice } from './ProblemNotice';

/** Avatars that were ordered together. */
export function GenerationCard({ generation }: { generation: GenerationFieldsFragment }): React.JSX.Element {
  const { id, status, prompts, avatars, createdAt } = generation;
  const styleName = useStyleName();
  // Also while it is running: an order whose answer was lost has started it.
  const retry = useRetry(id);
  const isRunning = isUnfinished(status);
  const total = prompts.reduce((sum, { count }) => sum + count, 0);
  const title = [...new Set(prompts.map(({ style }) => styleName(style)))].join(', ');
  const texts = [...new Set(prompts.flatMap(({ prompt }) => prompt ?? []))];
  const facts = [
    texts.map((text) => `“${isolate(text)}”`).join(', '),
    plural(total, 'avatar'),
    formatDate(createdAt),
  ];
  return (
    <article className="card stack generation" aria-label={`${title}, ${formatDate(createdAt)}`}>
      <div className="row between">
        <div>
          <h3>{title}</h3>
          <p className="muted prompt">{facts.filter(Boolean).join(' · ')}</p>
        </div>
        <GenerationActions title={title} generation={generation} />
      </div>
      {isRunning ? (
        <JobProgress label={`Progress of ${title}`} job={generation} />
      ) : (
        <GenerationFailure generation={generation} retry={retry} />
      )}
      {retry.problem && <ProblemNotice problem={retry.problem} />}
      <AvatarGrid
        label={`Avatars: ${title}`}
        avatars={avatars}
        pendingCount={isRunning ? Math.max(0, total - avatars.length) : 0}
      />
    </article>
  );
}

interface GenerationFailureProps {
  readonly generation: GenerationFieldsFragment;
  readonly retry: OrderState<RetryInput>;
}

/** What is missing and why; nothing if nothing is. */
function GenerationFailure({ generation, retry }: GenerationFailureProps): React.JSX.Element | null {
  const { id, attempt, canRetry, status, failure, missing } = generation;
  const isPartial = status === 'PARTIAL';
  const [first] = missing;
  const reason = failure ?? (first && { ...first.failure, message: missingText(missing) });
  if (!reason) return null;
  return (
    <FailureNotice
      failure={reason}
      canRetry={canRetry}
      retryLabel={isPartial ? 'Order the missing ones again' : 'Order again'}
      isRetrying={retry.isSending}
      onRetry={() => retry.submit({ id, attempt, ...(isPartial && { missingOnly: true }) })}
    />
  );
}

/** In words of the studio: the messages of the API name its own inputs. */
function missingText(missing: GenerationFieldsFragment['missing']): string {
  const count = (mayArrive: boolean): number =>
    missing.reduce((sum, group) => sum + (group.mayArrive === mayArrive ? group.count : 0), 0);
  const [lost, late] = [count(false), count(true)];
  return [
    ...(lost > 0 ? [`${plural(lost, 'avatar')} could not be made or saved.`] : []),
    ...(late > 0 ? [`${plural(late, 'avatar')} may still arrive, free of charge.`] : []),
  ].join(' ');
}
