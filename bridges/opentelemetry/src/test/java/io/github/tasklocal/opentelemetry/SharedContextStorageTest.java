// SPDX-License-Identifier: Apache-2.0
package io.github.tasklocal.opentelemetry;

import static org.assertj.core.api.Assertions.assertThat;

import io.github.tasklocal.TaskLocal;
import io.github.tasklocal.context.ContextKeys;
import io.opentelemetry.api.baggage.Baggage;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.TraceFlags;
import io.opentelemetry.api.trace.TraceState;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is shown is what the current context has, however contexts were attached and closed. */
class SharedContextStorageTest {

  private static final TaskLocal.OfSegment TENANT =
      TaskLocal.of("tenant", MemoryLayout.sequenceLayout(16, ValueLayout.JAVA_BYTE));
  private static final TaskLocal.OfLong STATUS = TaskLocal.of("status", ValueLayout.JAVA_LONG);
  private static final TaskLocal.OfBoolean RETRY = TaskLocal.of("retry", ValueLayout.JAVA_BOOLEAN);
  private static final TaskLocal.OfDouble SHARE = TaskLocal.of("share", ValueLayout.JAVA_DOUBLE);
  private static final TaskLocal.OfSegment TAGS =
      TaskLocal.of("tags", MemoryLayout.sequenceLayout(16, ValueLayout.JAVA_BYTE));

  /** Stands for that of a logging library, whose bridge fills the same list. */
  private static final ThreadLocal<String> MDC = new ThreadLocal<>();

  /** As OpenTelemetry does, where the storage jar is on the class path. */
  @BeforeAll
  static void comeIn() {
    Object ignored = new TaskLocalContextStorageProvider();
    ignored = ContextKeys.ofProcess().with(name -> name.equals("tenant") ? MDC.get() : null);
  }

  @SuppressWarnings("MustBeClosedChecker") // closed in an order of the test's own
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void afterEachOfManyChangesAThreadShowsItsCurrentSpanAndBaggage(boolean isVirtual)
      throws Exception {
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    inThread(
        isVirtual,
        () -> {
          Random random = new Random(seed);
          List<Scope> open = new ArrayList<>();
          int shown = 0;
          for (int i = 0; i < 5000; i++) {
            if (open.size() < 5 && random.nextBoolean()) {
              open.add(context(random).makeCurrent());
            } else if (!open.isEmpty()) {
              // Sometimes out of order, which the storage refuses.
              int at = random.nextInt(8) == 0 ? random.nextInt(open.size()) : open.size() - 1;
              open.get(at).close();
              if (at == open.size() - 1) {
                open.remove(at);
              }
            }
            assertThat(Seen.now()).as("change %d", i).isEqualTo(expected());
            String tenant = Baggage.current().getEntryValue("tenant");
            assertThat(TENANT.getString())
                .as("change %d", i)
                .isEqualTo(tenant == null ? "" : tenant);
            shown += Seen.now().equals(Seen.NOTHING) ? 0 : 1;
            if (random.nextInt(50) == 0) {
              LockSupport.parkNanos(1); // a virtual thread may go on with another carrier
            }
          }
          assertThat(shown).isBetween(500, 4900);
        });
  }

  private static Context context(Random random) {
    Context context = random.nextBoolean() ? Context.current() : Context.root();
    if (random.nextBoolean()) {
      context =
          context.with(
              Span.wrap(
                  random.nextInt(5) == 0
                      ? SpanContext.getInvalid()
                      : SpanContext.create(
                          "%016x%016x".formatted(random.nextLong() | 1, random.nextLong()),
                          "%016x".formatted(random.nextLong() | 1),
                          TraceFlags.fromByte((byte) random.nextInt(4)),
                          TraceState.getDefault())));
    }
    return random.nextBoolean()
        ? context
        : context.with(Baggage.builder().put("tenant", "t" + random.nextInt(3)).build());
  }

  /** From OpenTelemetry itself. */
  private static Seen expected() {
    SpanContext span = Span.current().getSpanContext();
    return span.isValid()
        ? new Seen(span.getTraceId(), span.getSpanId(), span.getTraceFlags().asByte())
        : Seen.NOTHING;
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void listedAttributesOfTheCurrentSpanAreShown(boolean isVirtual) throws Exception {
    inThread(
        isVirtual,
        () -> {
          try (SdkTracerProvider sdk = Sdk.recording()) {
            Tracer tracer = sdk.get("test");
            Span span =
                tracer
                    .spanBuilder("request")
                    .setAttribute("tenant", "acme")
                    .setAttribute("status", 200)
                    .startSpan();
            try (Scope _ = span.makeCurrent()) {
              assertThat(TENANT.getString()).isEqualTo("acme");
              assertThat(STATUS.get()).isEqualTo(200);
              try (Scope _ = Baggage.builder().put("tenant", "initech").build().makeCurrent()) {
                assertThat(TENANT.getString()).isEqualTo("initech");
              }
              try (Scope _ = tracer.spanBuilder("inner").startSpan().makeCurrent()) {
                assertThat(TENANT.getString()).isEmpty();
                assertThat(STATUS.get()).isZero();
              }
              assertThat(TENANT.getString()).isEqualTo("acme");
            }
            assertThat(TENANT.getString()).isEmpty();
            assertThat(STATUS.get()).isZero();
          }
        });
  }

  /** An attribute has one of eight types; a list of values is no value of a key. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void anAttributeOfAnyTypeIsShownIfItIsOneValue(boolean isVirtual) throws Exception {
    inThread(
        isVirtual,
        () -> {
          try (SdkTracerProvider sdk = Sdk.recording()) {
            Span span =
                sdk.get("test")
                    .spanBuilder("request")
                    .setAttribute("tenant", 42) // a number for a text
                    .setAttribute("status", "-7") // a text for a number
                    .setAttribute("retry", true)
                    .setAttribute("share", 0.25)
                    .setAttribute(AttributeKey.stringArrayKey("tags"), List.of("a", "b"))
                    .startSpan();
            try (Scope _ = span.makeCurrent()) {
              assertThat(TENANT.getString()).isEqualTo("42");
              assertThat(STATUS.get()).isEqualTo(-7);
              assertThat(RETRY.get()).isTrue();
              assertThat(SHARE.get()).isEqualTo(0.25);
              assertThat(TAGS.getString()).isEmpty();
            }
            assertThat(TENANT.getString()).isEmpty();
            assertThat(STATUS.get()).isZero();
            assertThat(RETRY.get()).isFalse();
            assertThat(SHARE.get()).isZero();
          }
        });
  }

  /** Such as the MDC, which has its own bridge and fills the same list. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whatIsInNoContextIsLeftToOthers(boolean isVirtual) throws Exception {
    inThread(
        isVirtual,
        () -> {
          TENANT.setString("mine");
          Span span =
              Span.wrap(
                  SpanContext.create(
                      "0af7651916cd43dd8448eb211c80319c",
                      "b7ad6b7169203331",
                      TraceFlags.getSampled(),
                      TraceState.getDefault()));
          try (Scope _ = span.makeCurrent()) {
            assertThat(Seen.now())
                .isEqualTo(new Seen("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", 1));
            assertThat(TENANT.getString()).isEqualTo("mine");
          }
          assertThat(Seen.now()).isEqualTo(Seen.NOTHING);
          assertThat(TENANT.getString()).isEqualTo("mine");
        });
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whereAContextHasNoValueAnyMoreThatOfAnotherIsShown(boolean isVirtual) throws Exception {
    inThread(
        isVirtual,
        () -> {
          try (SdkTracerProvider sdk = Sdk.recording()) {
            Tracer tracer = sdk.get("test");
            Span span = tracer.spanBuilder("request").setAttribute("tenant", "span's").startSpan();
            MDC.set("mdc's");
            try (Scope _ = span.makeCurrent()) {
              assertThat(TENANT.getString()).isEqualTo("span's");
              try (Scope _ = tracer.spanBuilder("inner").startSpan().makeCurrent()) {
                assertThat(TENANT.getString()).isEqualTo("mdc's");
              }
              assertThat(TENANT.getString()).isEqualTo("span's");
            }
            assertThat(TENANT.getString()).isEqualTo("mdc's");
            MDC.remove();
            try (Scope _ = Baggage.builder().put("tenant", "baggage's").build().makeCurrent()) {
              assertThat(TENANT.getString()).isEqualTo("baggage's");
            }
            assertThat(TENANT.getString()).isEmpty();
          }
        });
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void anAttributeThatIsSetLaterIsShownWithTheNextContext(boolean isVirtual) throws Exception {
    inThread(
        isVirtual,
        () -> {
          try (SdkTracerProvider sdk = Sdk.recording()) {
            Tracer tracer = sdk.get("test");
            Span span = tracer.spanBuilder("request").startSpan();
            try (Scope _ = span.makeCurrent()) {
              span.setAttribute("tenant", "anonymous");
              try (Scope _ = Baggage.builder().put("other", "o").build().makeCurrent()) {
                assertThat(TENANT.getString()).as("the same span").isEqualTo("anonymous");
                span.setAttribute("tenant", "acme");
                Span inner = tracer.spanBuilder("inner").setAttribute("tenant", "acme").startSpan();
                try (Scope _ = inner.makeCurrent()) {
                  assertThat(TENANT.getString()).as("both have it now").isEqualTo("acme");
                }
                assertThat(TENANT.getString()).isEqualTo("acme");
              }
            }
            assertThat(TENANT.getString()).isEmpty();
          }
        });
  }

  private static void inThread(boolean isVirtual, Runnable work) throws Exception {
    CompletableFuture<Void> done = new CompletableFuture<>();
    Thread thread =
        (isVirtual ? Thread.ofVirtual() : Thread.ofPlatform())
            .start(
                () -> {
                  try {
                    work.run();
                    done.complete(null);
                  } catch (Throwable e) {
                    done.completeExceptionally(e);
                  }
                });
    try {
      done.get();
    } catch (ExecutionException e) {
      throw new AssertionError("in " + thread, e.getCause());
    }
  }
}
