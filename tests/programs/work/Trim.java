import java.util.ArrayList;
import java.util.List;
import java.util.zip.Deflater;

/** Takes N MiB from malloc in pieces (deflaters: each is some hundred KiB of zlib's), gives them back, says so and waits. */
public class Trim {
    public static void main(String[] args) throws InterruptedException {
        List<Deflater> list = new ArrayList<>();
        for (int i = 0; i < Integer.parseInt(args[0]) * 4; i++) {
            Deflater d = new Deflater(9);
            d.setInput(new byte[1000]);
            d.finish();
            d.deflate(new byte[2000]);
            list.add(d);
        }
        list.forEach(Deflater::end);
        System.out.println("freed");
        Thread.sleep(600_000);
    }
}
