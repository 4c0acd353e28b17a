import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.zip.Deflater;
import java.util.zip.Inflater;

/** Work for java: N tasks in T threads, each through java's heap, zlib and direct buffers; short-lived threads beside. */
public class Work {
    static String task(int seed) throws Exception {
        Random random = new Random(seed);
        byte[] source = new byte[1 + random.nextInt(300_000)];
        for (int i = 0; i < source.length; i += 2) source[i] = (byte) random.nextInt();
        Deflater deflater = new Deflater(1 + random.nextInt(9));
        deflater.setInput(source);
        deflater.finish();
        ByteBuffer packed = ByteBuffer.allocateDirect(source.length + 1000);
        while (!deflater.finished()) deflater.deflate(packed);
        deflater.end();
        packed.flip();
        Inflater inflater = new Inflater();
        inflater.setInput(packed);
        ByteBuffer back = ByteBuffer.allocateDirect(source.length);
        while (back.hasRemaining()) inflater.inflate(back);
        inflater.end();
        back.flip();
        byte[] result = new byte[source.length];
        back.get(result);
        if (!java.util.Arrays.equals(source, result)) return "different";
        Map<String, List<Integer>> map = new HashMap<>();
        for (int i = 0; i < 20_000; i++) map.computeIfAbsent("key" + random.nextInt(500), k -> new ArrayList<>()).add(i);
        int sum = map.values().stream().mapToInt(l -> l.size() * l.get(0)).sum();
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(result)) + sum;
    }

    public static void main(String[] args) throws Exception {
        int n = Integer.parseInt(args[0]);
        ExecutorService pool = Executors.newFixedThreadPool(Integer.parseInt(args[1]));
        List<Future<String>> futures = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            int seed = i;
            futures.add(pool.submit(() -> task(seed)));
        }
        MessageDigest all = MessageDigest.getInstance("SHA-256");
        boolean equal = true;
        for (Future<String> f : futures) {
            equal &= !f.get().equals("different");
            all.update(f.get().getBytes());
        }
        pool.shutdown();
        for (int round = 0; round < 10; round++) {
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < 20; i++) threads.add(new Thread(() -> ByteBuffer.allocateDirect(10_000).put(9_999, (byte) 1)));
            threads.forEach(Thread::start);
            for (Thread t : threads) t.join();
        }
        System.out.println(HexFormat.of().formatHex(all.digest()));
        System.out.println("summary " + n + " tasks in " + args[1] + " threads, 200 short threads");
        System.out.println(equal ? "all equal" : "some differ");
    }
}
