import { formatDuration, formatTime } from '../api/formats';
import { statusText } from '../api/jobs';
import { type GenerationStatus, type ModelStatus } from '../graphql/operations';
import { useNow } from '../hooks/useNow';

export interface JobProgressProps {
  readonly label: string;
  readonly job: {
    readonly status: ModelStatus | GenerationStatus;
    readonly progress: number;
    readonly queuePosition: number | null;
    readonly estimatedReadyAt: string | null;
    readonly estimatedReadyBetween: { readonly earliest: string; readonly latest: string } | null;
  };
}

/** A bar that moves with the estimates of the server, and when the job is likely to end. */
export function JobProgress({ label, job }: JobProgressProps): React.JSX.Element {
  const { status, progress } = job;
  const now = useNow(1_000);
  const estimate = estimateText(job, now);
  const percent = `${progress} %`;
  return (
    <div className="job-progress">
      <div className="job-progress-text">
        <span>{statusText(status).text}</span>
        <span className="percent">{percent}</span>
      </div>
      <div
        className="progress-bar"
        role="progressbar"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={progress}
        aria-valuetext={`${percent}. ${estimate}`}
      >
        <div className="progress-fill" style={{ transform: `scaleX(${progress / 100})` }} />
      </div>
      <p className="muted estimate">{estimate}</p>
      {/* A step at a time: every percent would be too much to listen to. */}
      <p className="visually-hidden" role="status">
        {progress >= 25 ? `${label}: ${Math.floor(progress / 25) * 25} percent` : ''}
      </p>
    </div>
  );
}

function estimateText({ queuePosition, ...job }: JobProgressProps['job'], now: number): string {
  const { estimatedReadyAt: at, estimatedReadyBetween: between } = job;
  if (queuePosition !== null)
    return queuePosition > 1 ? `Number ${queuePosition} in the queue.` : 'Starts soon.';
  if (at === null) return '';
  const leftMs = Date.parse(at) - now;
  if (leftMs < 0) return 'Ready at any moment.';
  const isLong = leftMs > 90_000 && between !== null;
  const range = isLong ? `, between ${formatTime(between.earliest)} and ${formatTime(between.latest)}` : '';
  return `Ready in ${formatDuration(leftMs)}${range}.`;
}
