import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.Arrays;
import java.util.Base64;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Streams a recording to a realtime deployment and prints what was said, with nothing but Java 17.
 *
 * <p>Run {@code java RawClient.java input.pcm}; the file holds 16-bit mono samples at 24 kHz. Set
 * AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY, AZURE_OPENAI_DEPLOYMENT_NAME and NODE_EXTRA_CA_CERTS;
 * {@code antiphon serve} prints them.
 */
public final class RawClient implements WebSocket.Listener {
  private static final int CHUNK_BYTES = 4800;

  private static final String SESSION =
      """
      {"type": "session.update", "session": {
        "type": "realtime",
        "audio": {"input": {
          "transcription": {"model": "whisper-1"},
          "turn_detection": {"type": "server_vad", "silence_duration_ms": 300}
        }}
      }}
      """;

  private final StringBuilder message = new StringBuilder();
  private final CompletableFuture<String> transcript = new CompletableFuture<>();
  private final CompletableFuture<String> answer = new CompletableFuture<>();

  public static void main(String[] arguments) throws Exception {
    String endpoint = System.getenv("AZURE_OPENAI_ENDPOINT").replaceFirst("^http", "ws");
    String model = System.getenv("AZURE_OPENAI_DEPLOYMENT_NAME");
    RawClient client = new RawClient();
    WebSocket socket =
        HttpClient.newBuilder()
            .sslContext(trusting(System.getenv("NODE_EXTRA_CA_CERTS")))
            .build()
            .newWebSocketBuilder()
            .header("api-key", System.getenv("AZURE_OPENAI_API_KEY"))
            .buildAsync(URI.create(endpoint + "/openai/v1/realtime?model=" + model), client)
            .get(10, TimeUnit.SECONDS);
    socket.sendText(SESSION, true).join();
    byte[] recording = Files.readAllBytes(Path.of(arguments[0]));
    for (int begin = 0; begin < recording.length; begin += CHUNK_BYTES) {
      int end = Math.min(recording.length, begin + CHUNK_BYTES);
      String audio = Base64.getEncoder().encodeToString(Arrays.copyOfRange(recording, begin, end));
      socket.sendText(append(audio), true).join();
    }
    System.out.println("You said: " + client.transcript.get(30, TimeUnit.SECONDS));
    System.out.println("The answer: " + client.answer.get(30, TimeUnit.SECONDS));
    socket.sendClose(WebSocket.NORMAL_CLOSURE, "").join();
  }

  private static String append(String audio) {
    return "{\"type\": \"input_audio_buffer.append\", \"audio\": \"" + audio + "\"}";
  }

  /** Trusts the certificate authority in a PEM file; without one, the public authorities. */
  private static SSLContext trusting(String file) throws GeneralSecurityException, IOException {
    if (file == null) {
      return SSLContext.getDefault();
    }
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (InputStream pem = Files.newInputStream(Path.of(file))) {
      for (Certificate each : CertificateFactory.getInstance("X.509").generateCertificates(pem)) {
        store.setCertificateEntry("authority-" + store.size(), each);
      }
    }
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    return context;
  }

  @Override
  public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean isLast) {
    message.append(part);
    if (isLast) {
      receive(message.toString());
      message.setLength(0);
    }
    socket.request(1);
    return null;
  }

  @Override
  public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
    fail("The server closed the connection: " + code + " " + reason);
    return null;
  }

  @Override
  public void onError(WebSocket socket, Throwable error) {
    fail(error.toString());
  }

  @Override
  public CompletionStage<?> onPing(WebSocket socket, ByteBuffer ping) {
    socket.request(1);
    return null;
  }

  private void receive(String event) {
    switch (text(event, "type")) {
      case "conversation.item.input_audio_transcription.completed" ->
          transcript.complete(text(event, "transcript"));
      case "response.output_audio_transcript.done" -> answer.complete(text(event, "transcript"));
      case "error" -> fail(text(event, "message"));
      default -> {}
    }
  }

  private void fail(String why) {
    transcript.completeExceptionally(new IllegalStateException(why));
    answer.completeExceptionally(new IllegalStateException(why));
  }

  /** Finds a field by its name alone; a program of your own would use a JSON library. */
  private static String text(String event, String name) {
    Matcher found = Pattern.compile("\"" + name + "\":\\s*\"((?:[^\"\\\\]|\\\\.)*)\"").matcher(event);
    return found.find() ? found.group(1) : "";
  }
}
