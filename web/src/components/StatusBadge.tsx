import { statusText } from '../api/jobs';
import { type GenerationStatus, type ModelStatus } from '../graphql/operations';

export function StatusBadge({ status }: { status: ModelStatus | GenerationStatus }): React.JSX.Element {
  const { text, tone } = statusText(status);
  return <span className={`badge ${tone}`}>{text}</span>;
}
