package upstream

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/spillway-dev/spillway/internal/llm"
	"github.com/spillway-dev/spillway/internal/telemetry"
)

// startSpan begins the span of one vendor exchange, with OpenTelemetry's names for calls to generative models.
func (v *Vendor) startSpan(ctx context.Context, call *llm.Call) (context.Context, trace.Span) {
	ctx, span := telemetry.Start(ctx, "vendor")
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("gen_ai.operation.name", v.asked(call).Operation),
			attribute.String("llm.endpoint", v.asked(call).Name),
			attribute.String("gen_ai.provider.name", v.name),
			attribute.String("llm.lane", call.Lane),
			attribute.String("gen_ai.request.model", call.Payload.Model),
			attribute.Int("gen_ai.request.max_tokens", call.Payload.MaxTokens),
			attribute.Bool("gen_ai.request.stream", call.Payload.Stream),
			attribute.String("server.address", v.request.URL.Hostname()),
			attribute.Int("http.request.resend_count", call.Attempts-1),
		)
	}
	return ctx, span
}

func (v *Vendor) endSpan(span trace.Span, resp *llm.Response, out *llm.Result) {
	if span.IsRecording() {
		span.SetAttributes(
			attribute.Int("gen_ai.usage.input_tokens", out.Usage.Prompt),
			attribute.Int("gen_ai.usage.output_tokens", out.Usage.Completion),
		)
		if resp != nil {
			span.SetAttributes(attribute.Int("http.response.status_code", resp.Status))
		}
	}
	telemetry.End(span, out.Err)
}
